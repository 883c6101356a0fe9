"""Documents that say the same again are grouped under the first of them."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tracing.core.documents.repeats import Group, group_repeats, with_repeats


def document(snippet: str = "", source: str = "", url: str = "", corpus: str = "c") -> dict[str, Any]:
    return {"snippet": snippet, "source": source, "url": url, "corpus": corpus}


def test_one_source_is_one_group() -> None:
    found = group_repeats([document("a", "x.py"), document("b", "y.py"), document("c", "x.py")])
    assert found == [Group(0, (2,)), Group(1)]
    assert found[0].count == 2


def test_a_source_of_another_corpus_is_another_source() -> None:
    rows = [document("a", "README"), document("b", "README", corpus="d")]
    assert group_repeats(rows) == [Group(0), Group(1)]


def test_pages_of_one_site_with_urls_of_their_own_are_apart() -> None:
    rows = [document(str(n), "example.org", f"https://example.org/{n % 2}") for n in range(3)]
    assert group_repeats(rows) == [Group(0, (2,)), Group(1)]


def test_the_same_words_are_one_group_whatever_the_white_space() -> None:
    rows = [document("…two  words\n", "x"), document("two words…", "y"), document("two word", "z")]
    assert group_repeats(rows) == [Group(0, (1,)), Group(2)]


def test_a_document_that_joins_two_groups_makes_them_one() -> None:
    rows = [document("a", "x"), document("b", "y"), document("b", "x")]
    assert group_repeats(rows) == [Group(0, (1, 2))]


def test_documents_that_say_nothing_of_themselves_are_apart() -> None:
    assert group_repeats([document(), document()]) == [Group(0), Group(1)]


def test_only_the_numbers_asked_for_are_grouped() -> None:
    rows = [document("a", "x"), document("b", "x"), document("c", "x")]
    assert group_repeats(rows, [2, 1, 2]) == [Group(2, (1,))]
    assert [row["repeats"] for row in with_repeats(rows)] == [[1, 2], [], []]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("xyz"), st.sampled_from(["", "u", "v"]))))
def test_groups_are_the_connected_parts_and_each_document_is_in_one(drawn: list) -> None:
    rows = [document(*values) for values in drawn]
    apart = {n: {n} for n in range(len(rows))}
    for n, one in enumerate(rows):
        for m, two in enumerate(rows[:n]):
            same_url = one["url"] and one["url"] == two["url"]
            same_source = not one["url"] and not two["url"] and one["source"] == two["source"]
            if one["snippet"] == two["snippet"] or same_url or same_source:
                joined = apart[n] | apart[m]
                apart |= dict.fromkeys(joined, joined)
    found = {frozenset({group.first, *group.repeats}) for group in group_repeats(rows)}
    assert found == {frozenset(group) for group in apart.values()}
    assert all(group.first == min({group.first, *group.repeats}) for group in group_repeats(rows))
