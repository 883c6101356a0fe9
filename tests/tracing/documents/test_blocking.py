"""A rule fits exactly the documents whose metadata it names."""

from typing import Any

import pytest

from tracing.core.documents.blocking import Blocking
from tracing.core.errors import InputError


@pytest.mark.parametrize(
    ("rule", "metadata", "fits"),
    [
        (("prefix", "https://a.example/x"), {"url": "https://a.example/xyz"}, True),
        (("prefix", "https://a.example/x"), {"url": "https://a.example/y"}, False),
        (("prefix", "os.py"), {"source": "os.py:120"}, True),
        (("prefix", "os.py"), {"source": None}, False),
        (("domain", "a.example"), {"url": "https://a.example/x"}, True),
        (("domain", "A.Example"), {"url": "https://www.a.example:8080/x"}, True),
        (("domain", "a.example"), {"url": "https://a.example./x"}, True),
        (("domain", "a.example"), {"url": "https://nota.example/x"}, False),
        (("domain", "a.example"), {"url": "https://b.example/?u=a.example"}, False),
        (("domain", "a.example"), {"url": "https://[broken"}, False),
        (("domain", "a.example"), {}, False),
        (("licence", "MIT"), {"licence": "MIT"}, True),
        (("licence", "MIT"), {"licence": "MIT-0"}, False),
        (("corpus", "c4"), {"corpus": "c4"}, True),
        (("field", "5", "split"), {"split": 5}, True),
        (("field", "true", "toxic"), {"toxic": True}, True),
        (("field", "1", "toxic"), {"toxic": True}, False),
        (("field", "x", "split"), {}, False),
    ],
)
def test_a_rule_fits_what_it_names(rule: tuple, metadata: dict[str, Any], fits: bool) -> None:
    assert Blocking(*rule).fits(metadata) is fits


@pytest.mark.parametrize(
    "rule",
    [
        ("prefix", ""),
        ("prefix", "  "),
        ("nonsense", "x"),
        ("field", "x"),
        ("licence", "MIT", "split"),
        ("domain", "https://a.example"),
        ("domain", "localhost"),
        ("domain", "a.example/x"),
        ("domain", "."),
    ],
)
def test_rules_without_sense_are_refused(rule: tuple) -> None:
    with pytest.raises(InputError):
        Blocking(*rule)
