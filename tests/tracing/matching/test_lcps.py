"""Searches by what neighbouring suffixes share, and without it, find what a text search finds."""

from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tracing.matching.test_search import search
from tests.tracing.support.stores import stores_of
from tracing.core.matching.corpus import Corpus
from tracing.core.matching.spans import maximal_spans
from tracing.core.stores.heads import Tree

SEPARATOR = "\uffff"
TREES = [Tree(1, shift, has_lcps) for shift in (0, 2, 4, 6, 9) for has_lcps in (True, False)]


def documents_of(rng: np.random.Generator) -> list[list[int]]:
    """Runs of one token, passages that come again (many longer than 31 bytes) and chance, of few tokens."""
    tokens = rng.integers(0, 256 if rng.random() < 0.3 else 4, 400).tolist()
    documents = []
    for _ in range(int(rng.integers(1, 12))):
        document: list[int] = []
        for _ in range(int(rng.integers(0, 6))):
            start, length = int(rng.integers(0, 300)), int(rng.integers(1, 90))
            document += [tokens[start]] * length if rng.random() < 0.3 else tokens[start : start + length]
        documents.append([min(token, 250) for token in document])
    return documents


def query_of(documents: list[list[int]], rng: np.random.Generator) -> list[int]:
    """Pieces of the documents, some tokens of them changed."""
    query: list[int] = []
    for _ in range(6):
        document = documents[int(rng.integers(0, len(documents)))] or [3]
        start = int(rng.integers(0, len(document)))
        query += document[start : start + int(rng.integers(1, 80))]
    changed = rng.random(len(query)) < 0.04
    return np.where(changed, rng.integers(0, 251, len(query)), query).tolist()


def found_by_text_search(documents: list[list[int]], query: list[int]) -> tuple[list[int], list[int]]:
    """m(i) for every i, and the counts of the maximal spans."""
    data = SEPARATOR.join("".join(map(chr, document)) for document in documents)
    text, lengths, length = "".join(map(chr, query)), [], 0
    for start in range(len(text)):
        length = max(0, length - 1)
        while start + length < len(text) and text[start : start + length + 1] in data:
            length += 1
        lengths.append(length)
    spans = [text[start:stop] for start, stop in maximal_spans(np.array(lengths))]
    return lengths, [sum(data.startswith(span, at) for at in range(len(data))) for span in spans]


@pytest.mark.parametrize("kind", ["u8", "u16", "u32"])
@pytest.mark.parametrize("tree", TREES, ids=[f"every {1 << t.shift}, LCPs {t.has_lcps}" for t in TREES])
@given(seed=st.integers(0, 1 << 32))
@settings(max_examples=12, deadline=None)
def test_matches_and_counts_are_those_of_text_search(kind: str, tree: Tree, seed: int) -> None:
    rng = np.random.default_rng(seed)
    documents = documents_of(rng)
    query = query_of(documents, rng)
    lengths, counts = found_by_text_search(documents, query)
    shape = patch("tracing.core.stores.shard.tree_of", lambda size: Tree(size, tree.shift, tree.has_lcps))
    with shape, stores_of(documents, dtype=kind) as stores:
        found, spans = search(Corpus(stores), query)
    assert (found, list(spans.values())) == (lengths, counts)
