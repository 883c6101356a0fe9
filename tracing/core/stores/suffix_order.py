"""Whether a table is the suffix array of its tokens."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tracing.core.errors import StoreDamaged
from tracing.core.stores.shard import Shard

CHUNK_ENTRIES = 1 << 20
COMPARED_BYTES = 1 << 12


def check_all_suffixes(shard: Shard) -> int:
    """Number of suffixes, once each token's is in the table once and all are in order; else StoreDamaged.

    Two suffixes are in order if their first tokens are, or else the suffixes after these: a rank
    lookup, so the whole takes linear time (Burkhardt and Kärkkäinen, 2003, section 6).
    """
    width, entries = shard.kind.width_bytes, shard.entries
    ranks = np.full(entries + 1, -1, dtype=np.int64)  # rank of each token's suffix; the end sorts first
    for first, positions in _table(shard):
        _require(shard, (positions % width == 0) & (positions < shard.tokenized.size_bytes))
        ranks[positions // width] = np.arange(first, first + positions.size)
    _require(shard, ranks[:entries] >= 0)
    keys = shard.tokenized.read(0, shard.tokenized.size_bytes).view(shard.kind.numpy.newbyteorder(">"))
    for _, positions in _table(shard, overlap=1):
        here, after = positions[:-1] // width, positions[1:] // width
        later = (keys[here] == keys[after]) & (ranks[here + 1] < ranks[after + 1])
        _require(shard, (keys[here] < keys[after]) | later)
    return entries


def check_some_suffixes(shard: Shard, count: int) -> int:
    """Number of neighbours, `count` at most, found in order at random places; else StoreDamaged."""
    pairs = max(0, shard.entries - 1)
    drawn = np.random.default_rng().integers(0, pairs, count) if pairs else np.zeros(0, dtype=np.int64)
    for rank in np.unique(drawn).tolist():
        here, after = _positions(shard, rank, rank + 2).tolist()
        _require(shard, np.array([_before(shard, here, after)]))
    return int(np.unique(drawn).size)


def _before(shard: Shard, here: int, after: int) -> bool:
    """Whether the suffix at byte `here` comes before the one at `after`."""
    size = shard.tokenized.size_bytes
    if (
        max(here, after) >= size
        or here == after
        or (here % shard.kind.width_bytes)
        or (after % shard.kind.width_bytes)
    ):
        return False
    for step in range(0, size, COMPARED_BYTES):
        left, right = (
            shard.tokenized.read(min(at + step, size), min(at + step + COMPARED_BYTES, size)).tobytes()
            for at in (here, after)
        )
        if left != right:
            return left < right
    return False


def _table(shard: Shard, overlap: int = 0) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """The table in chunks: first rank, and the byte positions from there on."""
    for first in range(0, shard.entries, CHUNK_ENTRIES):
        yield first, _positions(shard, first, min(first + CHUNK_ENTRIES + overlap, shard.entries))


def _positions(shard: Shard, first: int, last: int) -> NDArray[np.int64]:
    width = shard.pointer_bytes
    data = shard.table.read(first * width, last * width).reshape(-1, width)
    wide = np.zeros((len(data), 8), dtype=np.uint8)
    wide[:, :width] = data
    positions: NDArray[np.int64] = wide.view("<i8")[:, 0]
    return positions


def _require(shard: Shard, right: NDArray[Any]) -> None:
    if not right.all():
        raise StoreDamaged(f"{shard.table.path} is not the suffix array of its tokens: rebuild the store.")
