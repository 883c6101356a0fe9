"""Which spans are shown: whole words within a sentence, the rarest, by the text's own characters."""

import itertools
import math
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tracing.support.brute import maximal, occurrences
from tests.tracing.support.stores import stores_of, text_tokenizer
from tests.tracing.support.texts import texts, token_ids
from tracing.core.errors import InputError
from tracing.core.matching.spans import SpanOptions, kept, rarest
from tracing.core.text.decoding import GrowingText, decode_tokens
from tracing.core.text.layout import TextLayout
from tracing.core.trace import Trace, Tracer, TraceRequest

TOKENIZER = text_tokenizer()


def trace(documents: list[list[int]], ids: list[int], **options: object) -> Trace:
    with stores_of(documents) as stores:
        return Tracer(stores, TOKENIZER).trace(TraceRequest(token_ids=ids, **options))


def shown(documents: list[str], text: str, **options: object) -> list[str]:
    """Texts of the spans of `text`, all that are long enough unless the options say otherwise."""
    ids = [TOKENIZER.encode(document)[0] for document in documents]
    found = trace(ids, TOKENIZER.encode(text)[0], **{"density": 1.0, "min_tokens": 3, **options})
    assert all(found.text[span.start : span.end] == span.text for span in found.spans)
    return [span.text for span in found.spans]


def test_a_span_ends_with_its_sentence_and_the_next_begins_after_it() -> None:
    text = "ones: 7 + 8 = 15. carry 1. tens: 2 + 3"
    assert shown([text], text) == ["ones: 7 + 8 = 15.", "carry 1.", "tens: 2 + 3"]


def test_a_span_is_cut_at_line_breaks() -> None:
    text = "Join two or more\n    pathname components,\r\nas needed 7"
    assert shown([text], text) == ["Join two or more", "pathname components,", "as needed 7"]


def test_a_dot_inside_a_name_or_a_number_cuts_nothing() -> None:
    text = "so os.path.join gives 3.14 or more"
    assert shown([text], text) == [text]


def test_a_closing_quote_belongs_to_the_sentence_that_it_ends() -> None:
    text = 'carry 1.) or "two more." Then join'
    assert shown([text], text) == ["carry 1.)", 'or "two more."', "Then join"]


def test_half_words_at_either_end_are_left_out() -> None:
    assert shown(["pathname components, as needed"], "xpathname components, as neededy") == ["components, as"]


def test_half_numbers_are_left_out() -> None:
    assert shown(["7 + 8 = 15."], "7 + 8 = 157.") == ["7 + 8 ="]


def test_special_tokens_and_tags_cut_spans() -> None:
    text = "Join two or more<|im_end|>\n<|im_start|>pathname components"
    assert shown([text], text) == ["Join two or more", "pathname components"]
    text = "<think>ones: 7 + 8 = 15.</think>as needed 7"
    assert shown([text], text) == ["ones: 7 + 8 = 15.", "as needed 7"]


def test_text_without_spaces_may_be_cut_between_any_two_characters() -> None:
    assert shown(["東日本日本人"], "西日本日本国", min_tokens=2) == ["日本日本"]


def test_pieces_inside_another_are_not_shown_twice() -> None:
    found = shown(
        ["a Join two or more. x", "b two or more. pathname components, as"],
        "Join two or more. pathname components,",
    )
    assert found == ["Join two or more.", "pathname components,"]


def test_offsets_are_characters_of_the_text_not_bytes_or_tokens() -> None:
    text = "é日本😀 — Join two or more pathname components é."
    assert shown(["z Join two or more pathname components é. z"], text) == [
        "Join two or more pathname components é."
    ]


def test_pieces_are_counted_again() -> None:
    documents = ["Join two or more. carry 1.", "Join two or more.", "Join two or more. carry 2."]
    ids = [TOKENIZER.encode(document)[0] for document in documents]
    found = trace(ids, ids[0], density=1.0, min_tokens=3)
    assert [(span.text, span.count) for span in found.spans] == [("Join two or more.", 3), ("carry 1.", 1)]
    assert [span.count for span in trace(ids, ids[0], raw=True).spans] == [1]


def test_the_rarest_spans_are_kept_as_many_as_the_density_allows() -> None:
    common, rare = "Join two or more.", "pathname components as needed."
    documents = [TOKENIZER.encode(text)[0] for text in [*[common] * 30, f"a {rare}"]]
    ids = TOKENIZER.encode(f"{common} {rare}")[0]
    for density, expected in ((0.0, []), (0.01, [rare]), (1.0, [common, rare])):
        found = trace(documents, ids, density=density, min_tokens=3)
        assert [span.text for span in found.spans] == expected


@given(st.integers(0, 5000), st.sampled_from([0.0, 0.01, 0.05, 0.1, 0.5, 1.0]))
def test_the_number_kept_is_the_ceiling_of_the_exact_product(tokens: int, density: float) -> None:
    assert kept(SpanOptions(density=density), tokens) == -(-tokens * round(100 * density) // 100)


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(1, 8)), max_size=12), st.integers(0, 5))
def test_kept_pieces_are_the_lowest_that_lie_in_no_other(spans: list[tuple[int, int]], keep: int) -> None:
    pieces = [(start, start + size) for start, size in spans]
    sums = [-(k % 7) * 1.5 - k for k in range(40)]
    outer = {p for p in pieces if not any(o != p and o[0] <= p[0] and p[1] <= o[1] for o in pieces)}
    expected = sorted(outer, key=lambda piece: (sums[piece[1]] - sums[piece[0]], piece))[:keep]
    assert rarest(pieces, sums, keep) == sorted(expected)


@given(st.lists(texts(8), min_size=1, max_size=4), texts(12))
@settings(max_examples=200, deadline=None)
def test_raw_spans_are_all_maximal_spans_with_their_counts(
    documents: list[list[int]], ids: list[int]
) -> None:
    if not ids:
        return
    found = trace(documents, ids, raw=True)
    expected = maximal(documents, ids)
    assert [(span.token_start, span.token_end) for span in found.spans] == expected
    assert [span.count for span in found.spans] == [occurrences(documents, ids[a:b]) for a, b in expected]
    assert all(found.text[span.start : span.end] == span.text for span in found.spans)
    assert found.documents == ()


@given(st.lists(texts(8), min_size=1, max_size=4), texts(12), st.integers(1, 4))
@settings(max_examples=200, deadline=None)
def test_shown_spans_are_the_largest_allowed_parts_of_the_maximal_ones(
    documents: list[list[int]], ids: list[int], min_tokens: int
) -> None:
    if not ids:
        return
    found = trace(documents, ids, density=1.0, min_tokens=min_tokens)
    text, offsets = TOKENIZER.decode(ids)
    allowed = {
        (a, b)
        for start, stop in maximal(documents, ids)
        for a in range(start, stop)
        for b in range(a + 1, stop + 1)
        if may_be_shown(ids, text, offsets, a, b)
    }
    largest = {p for p in allowed if not any(o != p and o[0] <= p[0] and p[1] <= o[1] for o in allowed)}
    expected = sorted(piece for piece in largest if piece[1] - piece[0] >= min_tokens)
    assert [(span.token_start, span.token_end) for span in found.spans] == expected
    assert [span.count for span in found.spans] == [occurrences(documents, ids[a:b]) for a, b in expected]
    assert all(span.text == text[span.start : span.end] == span.text.strip() for span in found.spans)


def may_be_shown(ids: list[int], text: str, offsets: list[tuple[int, int]], start: int, stop: int) -> bool:
    """Whether tokens start:stop begin and end at words, and nothing ends inside."""
    blank = [
        token in TOKENIZER.markup_ids or not text[slice(*offsets[k])].strip() for k, token in enumerate(ids)
    ]
    inside = range(start + 1, stop)
    return (
        not blank[start]
        and not blank[stop - 1]
        and between_words(text, offsets, start)
        and between_words(text, offsets, stop)
        and not any(is_cut(ids, text, offsets, token) for token in inside)
    )


def between_words(text: str, offsets: list[tuple[int, int]], token: int) -> bool:
    if token in (0, len(offsets)):
        return True
    place = offsets[token][0]
    if offsets[token - 1][1] > place:
        return False
    before, after = text[place - 1 : place], text[place : place + 1]
    if not before or not after or "\u3040" <= before <= "\u9fff" or "\u3040" <= after <= "\u9fff":
        return True
    word = before.isalnum() or before == "_"
    return not (word and (after.isalnum() or after == "_" or unicodedata.combining(after)))


def is_cut(ids: list[int], text: str, offsets: list[tuple[int, int]], token: int) -> bool:
    """Whether a sentence or line ends with the last token before `token`, or a special token is beside it."""
    if {ids[token - 1], ids[token]} & TOKENIZER.markup_ids:
        return True
    ends = [place for place in range(1, len(text) + 1) if is_break(text, place)]
    firsts = [
        next((k for k, (start, _) in enumerate(offsets) if start >= place), len(offsets)) for place in ends
    ]
    torn = [
        f - 1
        for f, place in zip(firsts, ends, strict=True)
        if text[place : max(place, offsets[f - 1][1])].strip()
    ]
    return token in firsts or token in torn


def is_break(text: str, place: int) -> bool:
    """Whether a line or sentence, with its closing quotes, ends at character `place`."""
    if text[place - 1] in "\r\n":
        return True
    body = text[:place].rstrip("\"')]}")
    followed = place == len(text) or text[place].isspace()
    return (body[-1:] in tuple(".!?…") and followed) or (
        body[-1:] == "。" and text[place : place + 1] not in list("。\"')]}")
    )


@given(texts(20), st.lists(st.integers(0, 40), max_size=6))
@settings(max_examples=200, deadline=None)
def test_a_layout_that_grew_is_the_layout_of_the_whole_text(ids: list[int], cuts: list[int]) -> None:
    grown, growing = TextLayout(), GrowingText()
    special = [token in TOKENIZER.markup_ids for token in ids]
    bounds = sorted({min(cut, len(ids)) for cut in [0, *cuts, len(ids)]})
    for start, stop in itertools.pairwise(bounds):
        growing.extend(TOKENIZER.pieces(ids[start:stop]))
        grown.update(growing.text, growing.offsets, special[:stop], growing.complete)
    text, offsets = decode_tokens(TOKENIZER.pieces(ids))
    whole = TextLayout()
    whole.update(text, offsets, special, len(text))
    assert (growing.text, growing.offsets) == (text, offsets)
    ranges = list(itertools.combinations(range(len(ids) + 1), 2))
    assert [grown.pieces(a, b) for a, b in ranges] == [whole.pieces(a, b) for a, b in ranges]
    assert [grown.stripped(a, b) for a, b in ranges] == [whole.stripped(a, b) for a, b in ranges]


@pytest.mark.parametrize(
    "options", [{"min_tokens": 0}, {"min_tokens": 1.5}, {"density": -0.1}, {"density": 1.1}]
)
def test_options_out_of_bounds_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(InputError):
        SpanOptions(**options)


@pytest.mark.parametrize("density", [math.nan, math.inf, "1"])
def test_a_density_that_is_no_share_is_refused(density: float) -> None:
    with pytest.raises(InputError):
        SpanOptions(density=density)


def test_a_text_may_come_with_offsets_of_its_own() -> None:
    text = "ones: 7 + 8 = 15."
    ids, offsets = TOKENIZER.encode(text)
    shifted = [(start + 2, end + 2) for start, end in offsets]
    with stores_of([ids]) as stores:
        request = TraceRequest(token_ids=ids, text="> " + text, offsets=shifted)
        found = Tracer(stores, TOKENIZER).trace(request)
    assert [(span.start, span.text) for span in found.spans] == [(2, text)]
    assert token_ids([text]) == ids
