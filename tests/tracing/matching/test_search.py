"""Matches, ranges and counts: what brute force finds, in one store or in many."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings

from tests.tracing.support.brute import corpora, longest_match, maximal, occurrences, suffixes
from tests.tracing.support.stores import stores_of
from tracing.core.cancelling import cancellable
from tracing.core.errors import Cancelled, InputError
from tracing.core.matching.corpus import Corpus
from tracing.core.matching.spans import maximal_spans

Case = tuple[str, list[list[int]], list[int]]


def search(corpus: Corpus, query_ids: list[int]) -> tuple[list[int], dict[tuple[int, int], int]]:
    """m(i) for every i, and the maximal spans with their counts."""
    query = corpus.query(query_ids)
    with corpus.reading():
        lengths = corpus.longest_matches(query)
        spans = maximal_spans(lengths)
        bounds = np.array(spans, dtype=np.int64).reshape(-1, 2)
        starts, stops = (np.ascontiguousarray(column) for column in bounds.T)
        counts = corpus.find(query, starts, stops).counts.sum(axis=0)
    return lengths.tolist(), dict(zip(spans, counts.tolist(), strict=True))


@given(corpora())
@example(("u8", [[]], [1]))
@example(("u16", [[0]], [0, 0]))
@example(("u16", [[1], [256]], [256, 1]))
@settings(max_examples=400, deadline=None)
def test_matches_and_counts_are_those_of_brute_force(case: Case) -> None:
    kind, documents, query = case
    with stores_of(documents, dtype=kind) as stores:
        lengths, spans = search(Corpus(stores), query)
    assert lengths == [longest_match(documents, query[start:]) for start in range(len(query))]
    assert list(spans) == maximal(documents, query)
    assert spans == {(a, b): occurrences(documents, query[a:b]) for a, b in spans}


@given(corpora())
@settings(max_examples=150, deadline=None)
def test_the_same_documents_give_the_same_answer_in_one_store_in_shards_and_in_many_stores(
    case: Case,
) -> None:
    kind, documents, query = case
    width = {"u8": 1, "u16": 2, "u32": 4}[kind]
    largest = max(2, *(len(document) + 1 for document in documents)) * width
    with stores_of(documents, dtype=kind) as one, stores_of(*[[d] for d in documents], dtype=kind) as many:
        expected = search(Corpus(one), query)
        assert search(Corpus(many), query) == expected
        with stores_of(documents, dtype=kind, shard_bytes=largest) as sharded:
            assert search(Corpus(sharded), query) == expected


@given(corpora())
@example(("u8", [[1] * 40, [1, 1, 2]], [1, 1, 1]))
@example(("u16", [[1] * 40, [2]], [1, 65534]))
@settings(max_examples=100, deadline=None)
def test_ranges_are_the_ranks_of_the_suffixes_that_begin_with_the_span(case: Case) -> None:
    kind, documents, query_ids = case
    width = {"u8": 1, "u16": 2, "u32": 4}[kind]
    ordered = suffixes(documents, kind)
    with stores_of(documents, dtype=kind) as stores:
        corpus = Corpus(stores)
        query = corpus.query(query_ids)
        pairs = [(a, b) for a in range(len(query_ids)) for b in range(a + 1, min(a + 4, len(query_ids)) + 1)]
        starts, stops = np.array(pairs, dtype=np.int64).reshape(-1, 2).T.copy()
        with corpus.reading():
            ranges = corpus.find(query, starts, stops)
    for (start, stop), low, high in zip(pairs, ranges.lows[0], ranges.highs[0], strict=True):
        needle = b"".join(token.to_bytes(width, "little") for token in query_ids[start:stop])
        expected = [rank for rank, suffix in enumerate(ordered) if suffix.startswith(needle)]
        assert list(range(low, high)) == expected


@pytest.mark.parametrize("kind", ["u8", "u16", "u32"])
def test_matches_at_a_stores_first_and_last_byte_are_found(kind: str) -> None:
    documents = [[3, 4, 5], [9, 8], [6, 7, 2]]
    with stores_of(documents, dtype=kind) as stores:
        assert search(Corpus(stores), [3, 4, 5])[1] == {(0, 3): 1}
        assert search(Corpus(stores), [7, 2, 3])[1] == {(0, 2): 1, (2, 3): 1}
        assert search(Corpus(stores), [2])[1] == {(0, 1): 1}


def test_a_match_never_runs_from_one_document_into_the_next() -> None:
    with stores_of([[1, 2], [3, 4]]) as stores:
        assert search(Corpus(stores), [1, 2, 3, 4])[1] == {(0, 2): 1, (2, 4): 1}


def test_stores_of_different_token_types_are_searched_together() -> None:
    with stores_of([[1, 2, 3]], dtype="u16") as narrow, stores_of([[2, 3, 70000]], dtype="u32") as wide:
        assert search(Corpus([*narrow, *wide]), [1, 2, 3, 70000])[1] == {(0, 3): 1, (1, 4): 1}


@pytest.mark.parametrize("ids", [[65535], [1, 65535], [70000], [-1], ["1"], [1.0], [[1]], [True], [2**70]])
def test_ids_that_no_document_can_hold_are_refused(ids: list[Any]) -> None:
    with stores_of([[1, 2]]) as stores, pytest.raises(InputError):
        Corpus(stores).query(ids)


def test_counts_by_stage_add_up_over_the_stores() -> None:
    with (
        stores_of([[1, 2], [1, 2]], stage="pretrain") as a,
        stores_of([[1, 2]], [[3]], stage="think-sft") as b,
    ):
        corpus = Corpus([*a, *b])
        with corpus.reading():
            found = corpus.find(corpus.query([1, 2]), np.array([0]), np.array([2]))
        assert corpus.counts_by_stage(found.counts[:, 0]) == {"pretrain": 2, "think-sft": 1}


def test_a_search_that_is_cancelled_stops() -> None:
    with stores_of([[1, 2]]) as stores:
        corpus = Corpus(stores)
        with pytest.raises(Cancelled), cancellable(lambda: True):
            corpus.longest_matches(corpus.query([1] * 5000))


def test_threads_that_share_a_store_get_the_answers_of_one() -> None:
    rng = np.random.default_rng(1)
    documents = [rng.integers(0, 30, 400).tolist() for _ in range(40)]
    queries = [rng.integers(0, 30, 200).tolist() for _ in range(64)]
    with stores_of(documents) as alone, stores_of(documents) as shared:
        expected = [search(Corpus(alone), query) for query in queries]
        corpus = Corpus(shared)
        with ThreadPoolExecutor(16) as pool:
            assert list(pool.map(lambda query: search(corpus, query), queries)) == expected
