"""unigram.N: how often each id occurs in a shard."""

from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tracing.core.stores.layout import TokenType

CHUNK_BYTES: Final = 1 << 24
COUNTED: Final = 1 << 20
"""Ids below this are counted in an array; those above, the separator among them, are sorted."""


def count_tokens(tokenized: Path, kind: TokenType) -> dict[int, int]:
    """How often each id occurs in the file, by rising id, the separator among them."""
    low, high = np.zeros(min(COUNTED, kind.separator + 1), dtype=np.int64), dict[int, int]()
    with tokenized.open("rb") as file:
        while data := file.read(CHUNK_BYTES):
            ids = np.frombuffer(data, dtype=kind.numpy)
            if kind.width_bytes > 2:
                _count_high(ids[ids >= COUNTED], high)
                ids = ids[ids < COUNTED]
            low += np.bincount(ids, minlength=low.size)
    found = np.flatnonzero(low)
    return dict(zip(found.tolist(), low[found].tolist(), strict=True)) | dict(sorted(high.items()))


def write_unigram(tokenized: Path, unigram: Path, kind: TokenType) -> None:
    """Write how often each id occurs, "id count" a line by rising id."""
    counts = count_tokens(tokenized, kind)
    unigram.write_text("".join(f"{token} {count}\n" for token, count in counts.items()))


def _count_high(ids: NDArray[np.uint32], counts: dict[int, int]) -> None:
    found = (values.tolist() for values in np.unique(ids, return_counts=True))
    for token, count in zip(*found, strict=True):
        counts[token] = counts.get(token, 0) + count
