"""The documents behind spans: drawn from ranges, scored by BM25, shown around their matches."""

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tracing.support.brute import occurrences
from tests.tracing.support.stores import stores_of, text_tokenizer
from tests.tracing.support.texts import texts
from tracing.core.documents.relevance import Relevance
from tracing.core.documents.sampling import sample_matches
from tracing.core.documents.snippets import show_excerpts
from tracing.core.documents.view import find_all, read_document
from tracing.core.documents.windows import cut_windows
from tracing.core.engines.engine import Excerpt, Place
from tracing.core.errors import InputError, StoreMismatch
from tracing.core.matching.corpus import Corpus
from tracing.core.matching.spans import Span
from tracing.core.stores.store import TokenStore
from tracing.core.trace import Tracer, TraceRequest

TOKENIZER = text_tokenizer()
SENTENCE = "Join two or more pathname components."


def encode(text: str) -> list[int]:
    return TOKENIZER.encode(text)[0]


def spans_of(tracer: Tracer, ids: list[int]) -> list[Span]:
    return list(tracer.trace(TraceRequest(token_ids=ids, raw=True)).spans)


@given(st.lists(texts(6), min_size=1, max_size=8), texts(8), st.integers(0, 3), st.integers(1, 4))
@settings(max_examples=150, deadline=None)
def test_matches_are_occurrences_of_their_span_one_a_document_and_the_same_for_a_seed(
    documents: list[list[int]], ids: list[int], seed: int, wanted: int
) -> None:
    if not ids:
        return
    with stores_of(documents[:2], documents[2:] or [[]], shard_bytes=4000) as stores:
        tracer = Tracer(stores, TOKENIZER)
        spans, corpus = spans_of(tracer, ids), tracer.corpus()
        with corpus.reading():
            matches = sample_matches(corpus, spans, wanted, seed)
            assert matches == sample_matches(corpus, spans, wanted, seed)
        for match in matches:
            store = corpus.rows[match.row].store
            place = (match.position - match.start) // 2
            span = ids[spans[match.span].token_start : spans[match.span].token_end]
            assert store.token_ids(match.document)[place : place + len(span)].tolist() == span
            assert (match.stop - match.start) // 2 == len(store.token_ids(match.document))
        per_span = Counter(match.span for match in matches)
        assert len({(m.span, m.row, m.document) for m in matches}) == len(matches)
        for number, span in enumerate(spans):
            holders = sum(occurrences([d], ids[span.token_start : span.token_end]) > 0 for d in documents)
            assert 1 <= per_span[number] <= min(wanted, holders)
            if span.count <= 2 * wanted:
                assert per_span[number] == min(wanted, holders)


def test_draws_are_spread_over_all_stores_and_change_with_the_seed() -> None:
    documents = [[1, 2, 3]] * 300
    with stores_of(documents, documents) as stores:
        tracer = Tracer(stores, TOKENIZER)
        spans = spans_of(tracer, [1, 2, 3])
        drawn = [sample_matches(tracer.corpus(), spans, 40, seed) for seed in range(3)]
        assert len({tuple((m.row, m.document) for m in matches) for matches in drawn}) == 3
        assert all({match.row for match in matches} == {0, 1} for matches in drawn)


@given(st.lists(texts(6).filter(len), min_size=1, max_size=5), texts(6).filter(len), texts(4))
@settings(max_examples=100, deadline=None)
def test_scores_are_okapi_bm25(documents: list[list[int]], answer: list[int], prompt: list[int]) -> None:
    with stores_of(documents) as stores:
        corpus = Corpus(stores)
        terms = Relevance(corpus, np.array(prompt, dtype=np.int64), np.array(answer)).terms
        stops = np.cumsum([2 * len(document) + 2 for document in documents]).tolist()
        bounds = [(stop - 2 * len(document), stop) for document, stop in zip(documents, stops, strict=True)]
        places = [Place(0, n, start, stop, ((start, 1),)) for n, (start, stop) in enumerate(bounds)]
        with corpus.reading():
            found = [excerpt.score for excerpt in corpus.read(places, terms)]
    assert found == pytest.approx([bm25(documents, [*prompt, *answer], document) for document in documents])


def bm25(documents: list[list[int]], query: list[int], document: list[int]) -> float:
    """Robertson and Zaragoza's formula, with the document frequencies expected of scattered tokens."""
    tokens = sum(map(len, documents))
    windows, mean = max(len(documents), tokens / 512), min(512, tokens / len(documents))
    score = 0.0
    for token in query:
        count, within = sum(d.count(token) for d in documents), document.count(token)
        frequency = windows * (1 - math.exp(-count / windows))
        rarity = math.log(1 + (windows - frequency + 0.5) / (frequency + 0.5))
        score += rarity * within * 2.5 / (within + 1.5 * (0.25 + 0.75 * len(document) / mean))
    return score


def test_tiers_tell_the_answers_own_document_from_one_that_shares_a_phrase() -> None:
    answer = f"{SENTENCE} Use it as needed, with '/' at the end of each of the names that are to be joined."
    half = answer[: len(answer) * 2 // 3]
    filler = ["ones: 7 + 8 = 15. carry 1. tens: 2 + 3 = 5. so 85. " * 3] * 20
    documents = [answer + " " + filler[0], half + " " + filler[0], SENTENCE + " " + filler[0], *filler]
    with stores_of([encode(document) for document in documents]) as stores:
        found = Tracer(stores, TOKENIZER).trace(TraceRequest.of_text(answer, TOKENIZER, density=1.0))
    tiers = {document.document: document.relevance for document in found.documents}
    assert tiers[0] == "high"
    assert tiers[1] in ("high", "medium")
    assert tiers[2] == "low"
    assert [document.score for document in found.documents] == sorted(
        tiers and [d.score for d in found.documents]
    )[::-1]
    assert {span.relevance for span in found.spans} == {"high"}


def test_a_snippet_shows_the_match_in_its_surroundings() -> None:
    document = encode("ones: 7 + 8 = 15. " * 40 + SENTENCE + " carry 1." * 40)
    with stores_of([document]) as stores:
        found = Tracer(stores, TOKENIZER).trace(TraceRequest.of_text(" " + SENTENCE, TOKENIZER))
    [traced] = found.documents
    [(start, end)] = traced.snippet.matches
    assert traced.snippet.text[start:end] == SENTENCE
    assert traced.snippet.text.startswith("…")
    assert traced.snippet.text.endswith("…")
    assert "= 15. Join" in traced.snippet.text
    assert len(traced.snippet.text) < 800


def test_one_document_with_two_spans_is_listed_once_with_both_matches() -> None:
    document = encode("a Join two or more. " + "carry 1. " * 150 + "pathname components, as needed.")
    with stores_of([document]) as stores:
        text = "b Join two or more.\nzz pathname components, as needed."
        found = Tracer(stores, TOKENIZER).trace(
            TraceRequest.of_text(text, TOKENIZER, min_tokens=4, density=1.0)
        )
    [traced] = found.documents
    assert [span.documents for span in found.spans] == [(0,), (0,)]
    marked = [traced.snippet.text[start:end] for start, end in traced.snippet.matches]
    assert marked == ["Join two or more.", "pathname components, as needed."]
    assert " … " in traced.snippet.text


@given(texts(40).filter(lambda ids: len(ids) > 3), st.data())
@settings(max_examples=200, deadline=None)
def test_every_mark_in_a_snippet_is_the_text_of_its_match(ids: list[int], data: st.DataObject) -> None:
    start = st.integers(0, len(ids) - 2)
    matches = [
        (a, min(len(ids), a + data.draw(st.integers(1, 6))))
        for a in data.draw(st.lists(start, min_size=1, max_size=4))
    ]
    windows = cut_windows(np.array(ids, dtype="<u2"), matches)
    [snippet] = show_excerpts([Excerpt(0.0, windows, len(ids), {})], TOKENIZER, [{}])
    text, offsets = TOKENIZER.decode(ids)
    expected = [text[offsets[a][0] : offsets[b - 1][1]].strip() for a, b in sorted(set(matches))]
    shown = [snippet.text[start:end] for start, end in snippet.matches]
    assert [s for s, e in zip(shown, expected, strict=False) if "\ufffd" not in e] == [
        e for e in expected[: len(shown)] if "\ufffd" not in e
    ]


@given(st.lists(texts(40).filter(lambda ids: len(ids) > 3), min_size=1, max_size=6), st.data())
@settings(max_examples=100, deadline=None)
def test_documents_shown_together_are_shown_as_each_is_alone(
    documents: list[list[int]], data: st.DataObject
) -> None:
    excerpts, margins = [], list[dict[tuple[int, int], list[tuple[int, int]]]]()
    for ids in documents:
        start = data.draw(st.integers(0, len(ids) - 2))
        windows = cut_windows(np.array(ids, dtype="<u2"), [(start, start + 2)])
        excerpts.append(Excerpt(0.0, windows, len(ids), {}))
        margins.append(data.draw(st.sampled_from([{}, {(start, start + 2): [(0, 0)]}])))
    alone = [
        show_excerpts([excerpt], TOKENIZER, [own])[0] for excerpt, own in zip(excerpts, margins, strict=True)
    ]
    assert show_excerpts(excerpts, TOKENIZER, margins) == alone
    assert show_excerpts(excerpts, TOKENIZER, [{}] * len(excerpts)) == alone


def long_document() -> list[int]:
    return encode("".join(f"{n} é日本 {SENTENCE}\n" for n in range(60)))


def test_a_whole_document_is_read_with_its_matches_marked() -> None:
    ids = long_document()
    with stores_of([ids]) as stores:
        view = read_document(stores[0], 0, TOKENIZER, encode(" " + SENTENCE))
    assert view.text == TOKENIZER.decode(ids)[0]
    assert [view.text[start:end] for start, end in view.matches] == [" " + SENTENCE] * 60
    assert (view.page, view.pages, view.total_matches, view.tokens) == (1, 1, 60, len(ids))
    assert view.metadata["id"] == "store0-0"


@pytest.mark.parametrize("page_tokens", [1, 7, 50, 333])
def test_the_pages_of_a_document_are_its_text(page_tokens: int) -> None:
    ids, span = long_document(), encode("日本")
    with stores_of([ids]) as stores:
        first = read_document(stores[0], 0, TOKENIZER, span, page_tokens=page_tokens)
        views = [
            read_document(stores[0], 0, TOKENIZER, span, page=page, page_tokens=page_tokens)
            for page in range(1, first.pages + 1)
        ]
    assert "".join(view.text for view in views) == TOKENIZER.decode(ids)[0]
    assert first.page == first.match_pages[0]
    if page_tokens > 50:
        assert all(view.text[a:b] in "日本" for view in views for a, b in view.matches)


def test_a_page_that_is_not_there_is_refused() -> None:
    with stores_of([[1, 2], []]) as stores:
        assert read_document(stores[0], 1, TOKENIZER).text == ""
        for document, page in ((0, 2), (0, -1), (2, 1), (-1, 1)):
            with pytest.raises(InputError):
                read_document(stores[0], document, TOKENIZER, page=page)


@given(st.lists(st.integers(0, 2), max_size=20), st.lists(st.integers(0, 2), max_size=3))
def test_all_occurrences_are_found_overlapping_ones_too(tokens: list[int], span: list[int]) -> None:
    expected = [k for k in range(len(tokens)) if span and tokens[k : k + len(span)] == span]
    assert find_all(np.array(tokens, dtype="<u2"), np.array(span, dtype=np.int64)).tolist() == expected


def test_a_document_with_ids_outside_the_vocabulary_is_a_mismatch() -> None:
    with (
        stores_of([[1, TOKENIZER.vocab_size + 5]]) as stores,
        pytest.raises(StoreMismatch, match="this tokenizer ends at"),
    ):
        read_document(stores[0], 0, TOKENIZER)


def test_closing_a_store_ends_its_use() -> None:
    with stores_of([[1, 2]]) as stores:
        store: TokenStore = stores[0]
        kept = store.token_ids(0)
        store.close()
        assert kept.tolist() == [1, 2]
        with pytest.raises(Exception, match="closed"):
            store.token_ids(0)
