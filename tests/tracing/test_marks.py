"""Text cut at its matches loses nothing and marks only what matches."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracing.marks import marked_parts, places_of, web_address


def test_overlapping_matches_are_marked_once() -> None:
    assert marked_parts("one two three", [[4, 7], [6, 9]]) == [
        (False, "one "),
        (True, "two"),
        (True, " t"),
        (False, "hree"),
    ]


@given(st.text(max_size=30), st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=5))
def test_the_parts_are_the_text_and_the_marked_ones_its_matches(
    text: str, places: list[tuple[int, int]]
) -> None:
    matches = sorted((min(a, b, len(text)), min(max(a, b), len(text))) for a, b in places)
    parts = marked_parts(text, matches)
    assert "".join(part for _, part in parts) == text
    marked = [is_match for is_match, part in parts for _ in part]
    assert marked == [any(a <= place < b for a, b in matches) for place in range(len(text))]


def test_words_are_found_as_they_are_written_and_no_letter_twice() -> None:
    assert places_of("a.b aa.b a+b", "a.b") == [(0, 3), (5, 8)]
    assert places_of("aaaa", "aa") == [(0, 2), (2, 4)]
    assert places_of("aaaa", "") == []


@pytest.mark.parametrize(
    "text", ["javascript:alert(1)", "data:text/html,x", "//evil.example", "", None, 7, {}]
)
def test_only_addresses_of_the_web_may_be_followed(text: object) -> None:
    assert web_address(text) == ""
    assert web_address(" https://example.org/a?b=1 ") == "https://example.org/a?b=1"
