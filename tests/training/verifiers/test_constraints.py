"""Constraints on how an answer is written."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.core.verifiers.constraints import KINDS, ConstraintsVerifier
from training.core.verifiers.verdict import VerifierError

HOLD = [
    ({"kind": "words", "exactly": 4}, "It's a well-kept secret.", "It is a secret, well kept."),
    ({"kind": "words", "at_least": 2, "at_most": 3}, "one two", "one two three four"),
    ({"kind": "sentences", "exactly": 2}, "Pi is 3.14. It goes on!", "Pi is 3.14."),
    ({"kind": "paragraphs", "exactly": 2}, "one\n\ntwo", "one\ntwo"),
    ({"kind": "bullets", "exactly": 2}, "- one\n* two", "- one\n- two\n- three"),
    ({"kind": "placeholders", "at_least": 1}, "Dear [name],", "Dear name,"),
    ({"kind": "highlights", "at_least": 1}, "so *very* good", "so very good"),
    ({"kind": "characters", "at_most": 3}, "日本語", "日本語だ"),
    ({"kind": "keywords", "value": ["river", "sea"]}, "The river meets the SEA.", "The rivers meet the sea."),
    ({"kind": "forbidden_words", "value": ["very"]}, "Everyone is here.", "Very good."),
    ({"kind": "keyword_times", "value": "tide", "at_least": 2}, "Tide and tide.", "tide and tides"),
    ({"kind": "starts_with", "value": "Dear"}, "dear reader", "My dear reader"),
    ({"kind": "ends_with", "value": "the end."}, 'And so, "The End."', "The end. Or is it?"),
    ({"kind": "two_answers_by", "value": "******"}, "one\n******\ntwo", "one\n******\n"),
    ({"kind": "json"}, '```json\n{"a": [1]}\n```', 'Here: {"a": 1}'),
    ({"kind": "lower_case"}, "all of it, 42", "Not all of it"),
    ({"kind": "upper_case"}, "ALL OF IT", "ALL of it"),
    ({"kind": "no_commas"}, "one and two", "one, two"),
    ({"kind": "title"}, "<<On water>>\nIt flows.", "On water\nIt flows."),
    ({"kind": "quoted"}, '"So be it."', '"So" be it.'),
]


@pytest.mark.parametrize(("constraint", "kept", "broken"), HOLD, ids=lambda value: str(value)[:24])
def test_each_kind_tells_an_answer_that_keeps_it_from_one_that_does_not(
    constraint: dict[str, Any], kept: str, broken: str
) -> None:
    verifier = ConstraintsVerifier()
    verifier.check_reference([constraint])
    assert verifier.verify(kept, [constraint]).reward == 1
    assert verifier.verify(f"<think>{broken}</think>{kept}", [constraint]).reward == 1
    verdict = verifier.verify(broken, [constraint])
    assert verdict.reward == 0
    assert constraint["kind"] in verdict.reason


def test_every_kind_is_tested_here() -> None:
    assert sorted({constraint["kind"] for constraint, _, _ in HOLD}) == KINDS


def test_one_broken_constraint_among_many_costs_everything() -> None:
    reference = [constraint for constraint, _, _ in HOLD if constraint["kind"] in ("no_commas", "lower_case")]
    assert ConstraintsVerifier().verify("all lower case", reference).reward == 1
    verdict = ConstraintsVerifier().verify("all lower, case", reference)
    assert verdict.reward == 0
    assert verdict.reason.startswith("1 of 2 constraints broken: no_commas")


@given(st.text(max_size=200))
def test_no_answer_breaks_a_check(text: str) -> None:
    for constraint, _, _ in HOLD:
        assert ConstraintsVerifier().verify(text, [constraint]).reward in (0.0, 1.0)


@pytest.mark.parametrize(
    "text", ["[" * 200_000, "{" * 200_000, "*" * 200_000, "\n" * 200_000 + "x", "a " * 130_000]
)
def test_long_hostile_answers_are_checked_in_one_pass(text: str) -> None:
    for constraint, _, _ in HOLD:
        assert ConstraintsVerifier().verify(text, [constraint]).reward in (0.0, 1.0)


@pytest.mark.parametrize(
    "reference",
    [
        None,
        [],
        ["json"],
        [{"kind": "rhymes"}],
        [{"kind": "words"}],
        [{"kind": "words", "at_least": -1}],
        [{"kind": "words", "at_least": True}],
        [{"kind": "words", "at_least": float("nan")}],
        [{"kind": "keywords", "value": []}],
        [{"kind": "keywords", "value": "river"}],
        [{"kind": "ends_with", "value": " "}],
        [{"kind": "json"}] * 33,
    ],
)
def test_a_constraint_that_cannot_be_checked_is_refused(reference: object) -> None:
    with pytest.raises(VerifierError):
        ConstraintsVerifier().check_reference(reference)
