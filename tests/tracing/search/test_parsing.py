"""What people type, and what programs send to see what breaks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tracing.search.conftest import OpenIndex
from tests.tracing.support.passages import Text, load_passages, passages, query
from tracing.core.errors import InputError
from tracing.core.search.dates import date_number, parse_date
from tracing.core.search.parsing import CHARACTERS_MAX, parse_words


@pytest.mark.parametrize(
    ("text", "found", "excluded"),
    [
        ("", (), ()),
        ("  red fish ", (("red",), ("fish",)), ()),
        ('"red fish" -blue -"old pond"', (("red", "fish"),), (("blue",), ("old", "pond"))),
        ("“red fish”", (("red", "fish"),), ()),
        ('"never closed -red', (("never", "closed", "red"),), ()),
        ('fish"red blue"pond', (("fish",), ("red", "blue"), ("pond",)), ()),
        ("os.path.join well-known", (("os", "path", "join"), ("well", "known")), ()),
        ("fish fish FISH", (("fish",),), ()),
        ("fish - -- * ? ~2 \x00 (", (("fish",), ("2",)), ()),
        ("-fish", (), (("fish",),)),
        ('"" fish', (("fish",),), ()),
    ],
)
def test_what_a_query_means(text: str, found: object, excluded: object) -> None:
    assert parse_words(text) == (found, excluded)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("***", "no word"),
        ('"', "no word"),
        ("\x00\x01", "no word"),
        ("\ud800", "no word"),
        ("x" * (CHARACTERS_MAX + 1), "1,001 characters"),
        (" ".join(f"w{k}" for k in range(10_000)), "characters"),
        (" ".join(f"w{k}" for k in range(40)), "40 words and phrases"),
        ('"' + "a b " * 60 + '"', "120 words"),
    ],
)
def test_what_cannot_be_searched_for_is_refused_with_its_reason(text: str, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        parse_words(text)


HOSTILE = [
    '"unbalanced fish',
    "fish*",
    "/fi.*sh(/",
    "words:fish AND kind:journal",
    "fish~9999",
    "fish^99999999 OR [* TO *]",
    "{!func}fish",
    '{"match_all": {}}',
    "fish\x00\x1b\u202e",
    "-fish -red",
    "<script>fish</script>",
    "fish' OR 1=1 --",
    "\\" * 500,
    "fish " + "x" * 900,
]


def test_a_hostile_query_is_refused_or_finds_what_its_words_say(open_index: OpenIndex) -> None:
    index = open_index()
    load_passages(index, passages([Text("fish and 9999 OR 1 1 words kind journal"), Text("other")]))
    for text in HOSTILE:
        try:
            asked = query(text)
        except InputError:
            continue
        total = index.search(asked, limit=10).total
        assert total <= 2, text
        assert index.search(asked, limit=10).total == total


@given(st.text(max_size=60))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    try:
        found, excluded = parse_words(text)
    except InputError:
        return
    assert bool(found or excluded) == bool(text.strip())
    assert all(word and not word.isspace() for phrase in found + excluded for word in phrase)


@pytest.mark.parametrize(
    ("value", "number"),
    [
        ("2024-05-17", 20240517),
        ("2024-05-17T08:00:00Z", 20240517),
        ("2024/05", 20240501),
        ("20240517", 20240517),
        (2024, 20240101),
        ("1999", 19990101),
        ("2024-13-01", 0),
        ("2023-02-29", 0),
        ("17 May 2024", 0),
        ("202405171", 0),
        ("0000", 0),
        (None, 0),
        (float("nan"), 0),
        (True, 0),
        (-2024, 0),
        (10**30, 0),
        ("", 0),
    ],
)
def test_a_document_s_date_is_a_number_or_none(value: object, number: int) -> None:
    assert date_number(value) == number


def test_a_limit_of_a_year_or_month_holds_all_of_it() -> None:
    assert [parse_date(text) for text in ("", "2024", "2024-05", "2024-05-17")] == [
        0,
        20240101,
        20240501,
        20240517,
    ]
    last = [parse_date(text, last=True) for text in ("", "2024", "2024-05", "2024-05-17")]
    assert last == [0, 20241231, 20240531, 20240517]


@pytest.mark.parametrize(
    "text", ["yesterday", "2024-5-1", "2024-13", "17.05.2024", "99999", "2024-05-17T00:00"]
)
def test_a_limit_that_is_no_date_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="is no date: write it as 2024-05-17"):
        parse_date(text)
