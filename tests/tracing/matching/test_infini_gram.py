"""Against infini-gram's own engine, on the very same files: the same maximal spans and counts."""

import numpy as np
import pytest
from hypothesis import given, settings
from infini_gram.engine import InfiniGramEngine

from tests.tracing.matching.test_search import search
from tests.tracing.support.brute import corpora, suffixes
from tests.tracing.support.stores import stores_of
from tracing.core.matching.corpus import Corpus
from tracing.core.stores.store import TokenStore

Case = tuple[str, list[list[int]], list[int]]
WIDTHS = {"u8": 1, "u16": 2, "u32": 4}


def engine_spans(stores: list[TokenStore], kind: str, query: list[int]) -> dict[tuple[int, int], int]:
    """Its maximal spans and counts. `vocab_size` and `eos_token_id` play no part in attribution."""
    engine = InfiniGramEngine(
        [str(store.path) for store in stores],
        eos_token_id=0,
        vocab_size=2 ** (8 * WIDTHS[kind]) - 1,
        token_dtype=kind,
    )
    found = engine.attribute(query, delim_ids=[], min_len=1, max_cnt=10**9, enforce_bow=False)
    return {(span["l"], span["r"]): span["count"] for span in found["spans"]}


def comes_before_all(documents: list[list[int]], kind: str, tokens: list[int]) -> bool:
    """Whether `tokens` would be the first suffix of the store.

    There infini-gram 2.6.0 finds no match at all: `compute_longest_prefix_len_thread` looks at the ranks
    from `max((U64)0, start - 1)`, which for start = 0 wraps around to 2^64 - 1.
    """
    data = b"".join(token.to_bytes(WIDTHS[kind], "little") for token in tokens)
    first = suffixes(documents, kind)[0]
    return data < first and not first.startswith(data)


@given(corpora())
@settings(max_examples=250, deadline=None)
def test_maximal_spans_and_counts_are_infini_grams_except_where_it_misses_the_first_suffix(
    case: Case,
) -> None:
    kind, documents, query = case
    missed = any(comes_before_all(documents, kind, query[start:]) for start in range(len(query)))
    with stores_of(documents, dtype=kind) as stores:
        ours = search(Corpus(stores), query)[1]
        theirs = engine_spans(stores, kind, query)
    if missed:  # ours are tested against brute force; here, that it never found one that we did not
        assert all(any(a <= start and stop <= b for a, b in ours) for start, stop in theirs)
    else:
        assert ours == theirs


@pytest.mark.parametrize("kind", ["u8", "u16", "u32"])
def test_the_match_that_infini_gram_misses_before_a_stores_first_suffix_is_found(kind: str) -> None:
    documents, query = [[5, 1, 3, 9]], [1, 2]  # the first suffix begins with 1, 3
    with stores_of(documents, dtype=kind) as stores:
        assert comes_before_all(documents, kind, query)
        assert engine_spans(stores, kind, query) == {}
        assert search(Corpus(stores), query)[1] == {(0, 1): 1}


def test_several_stores_and_shards_give_infini_grams_counts() -> None:
    rng = np.random.default_rng(5)
    documents = [rng.zipf(1.4, rng.integers(1, 300)).clip(max=200).tolist() for _ in range(60)]
    query = [token for document in documents[:5] for token in document[:40]] + rng.integers(
        1, 200, 50
    ).tolist()
    with stores_of(documents[:40], documents[40:], shard_bytes=3000) as stores:
        assert len(stores[0].shards) > 2
        assert search(Corpus(stores), query)[1] == engine_spans(stores, "u16", query)
