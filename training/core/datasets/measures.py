"""What a data set is in the tokens of one checkpoint: how long its documents are, and what a limit cuts."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tracing.core.stores.store import TokenStore

LONGEST_LISTED = 10
QUANTILES = (0.5, 0.9, 0.99)

Longs = NDArray[np.int64]


@dataclass(frozen=True)
class Truncation:
    """What a sequence length cuts off."""

    sequence_length: int
    documents: int
    tokens: int


def measure_store(store: TokenStore) -> dict[str, Any]:
    """Counts, a histogram by powers of two (`[from, to, documents]`, both ends included), quantiles and the
    longest documents with their rows."""
    lengths = store.document_lengths()
    longest = np.argsort(-lengths, kind="stable")[:LONGEST_LISTED].tolist()
    return {
        "documents": int(lengths.size),
        "tokens": int(lengths.sum()),
        "histogram": histogram(lengths),
        "quantiles": dict(zip(map(str, QUANTILES), map(int, np.quantile(lengths, QUANTILES)), strict=True)),
        "longest": [[store.metadata(number)["row"], int(lengths[number])] for number in longest],
    }


def histogram(lengths: Longs) -> list[list[int]]:
    """`[from, to, documents]` for 1, 2-3, 4-7, ... tokens, from the first bin that holds any to the last."""
    bins = np.floor(np.log2(np.maximum(lengths, 1))).astype(np.int64)
    counts = np.bincount(bins)
    first = int(bins.min())
    return [[2**b, 2 ** (b + 1) - 1, int(counts[b])] for b in range(first, len(counts))]


def truncation(lengths: Longs, sequence_length: int) -> Truncation:
    """Documents that are longer than the limit, and how many tokens of them lie behind it."""
    over = lengths[lengths > sequence_length]
    return Truncation(sequence_length, int(over.size), int((over - sequence_length).sum()))
