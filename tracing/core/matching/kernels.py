"""Compiled search over one shard's mapped files. No Python objects, no GIL, every pointer checked.

Shared arguments: `data` is tokenized.N and `table` table.N, as bytes; `width` bytes to a token,
`pointer` bytes to a table entry; `keys` the query, each id as the number that its bytes spell when
read big-endian, so that comparing keys compares bytes. `*_state` are the block states of
`mapped_file`: a kernel marks each block that it reads, the caller has the marked ones checked.

Kernels return OK or DAMAGED. A table entry outside the data, or inside a token, is DAMAGED. Damage
that still points into the data may give any answer, never a read out of bounds: the caller's check
of the marked blocks then refuses the answer.
"""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np
from numba import njit
from numpy.typing import NDArray

from tracing.core.stores.layout import BLOCK_BYTES
from tracing.core.stores.mapped_file import SOUND, TOUCHED

Bytes = NDArray[np.uint8]
Longs = NDArray[np.int64]
Int = int | np.int64

OK, DAMAGED = 0, -1
BLOCK_SHIFT = BLOCK_BYTES.bit_length() - 1

Kernel = TypeVar("Kernel", bound=Callable[..., Any])


def compiled(function: Kernel) -> Kernel:
    """Compile on first call, or load what an earlier process compiled."""
    return cast("Kernel", njit(nogil=True, cache=True, error_model="numpy")(function))


def inlined(function: Kernel) -> Kernel:
    """A part of the kernels that call it."""
    return cast("Kernel", njit(nogil=True, error_model="numpy", inline="always")(function))


@inlined
def _touch(state: Bytes, position: Int) -> None:
    block = position >> BLOCK_SHIFT
    if state[block] != SOUND:
        state[block] = TOUCHED


@inlined
def _key(data: Bytes, position: Int, width: Int) -> Int:
    """The token at a byte position, as a big-endian number."""
    key = np.int64(data[position])
    for byte in range(1, width):
        key = (key << 8) | np.int64(data[position + byte])
    return key


@inlined
def _entry(table: Bytes, table_state: Bytes, rank: Int, pointer: Int) -> Int:
    """The table's entry at `rank`: a byte position in the data, not yet checked."""
    start = rank * pointer
    position = np.int64(0)
    for byte in range(pointer):
        position |= np.int64(table[start + byte]) << (8 * byte)
    _touch(table_state, start)
    _touch(table_state, start + pointer - 1)
    return position


@inlined
def _common(
    data: Bytes, data_state: Bytes, width: Int, position: Int, keys: Longs, start: Int, stop: Int, known: Int
) -> int:
    """How many tokens of keys[start:stop] the suffix at `position` begins with, `known` of them given."""
    query, at = start + known, position + known * width
    while query < stop and at < data.size and _key(data, at, width) == keys[query]:
        query += 1
        at += width
    _touch(data_state, position)
    _touch(data_state, min(at, data.size - 1))
    return int(query - start)


@compiled
def longest_matches(
    data: Bytes,
    table: Bytes,
    data_state: Bytes,
    table_state: Bytes,
    width: int,
    pointer: int,
    keys: Longs,
    lows: Longs,
    highs: Longs,
    begin: int,
    end: int,
    lengths: Longs,
) -> int:
    """Raise lengths[i], for begin <= i < end, to the longest prefix of keys[i:] that occurs in the shard.

    lows[i]..highs[i] are the ranks of the suffixes that begin with keys[i]. One binary search a
    position, comparing from the prefix that both bounds are known to share (Manber and Myers, 1993,
    section 3).
    """
    entries, total = data.size // width, keys.size
    for i in range(begin, end):
        low, high, low_common, high_common = lows[i], highs[i], 1, 1
        if low >= high:
            continue
        if low < 0 or high > entries:
            return DAMAGED
        while low < high:
            middle = (low + high) >> 1
            position = _entry(table, table_state, middle, pointer)
            if position >= data.size or position % width:
                return DAMAGED
            known = min(low_common, high_common)
            common = _common(data, data_state, width, position, keys, i, total, known)
            after, at = i + common, position + common * width
            if after == total:
                low_common = common
                break
            if at >= data.size or _key(data, at, width) < keys[after]:
                low, low_common = middle + 1, common
            else:
                high, high_common = middle, common
        lengths[i] = max(lengths[i], low_common, high_common)
    return OK


@compiled
def find_ranges(
    data: Bytes,
    table: Bytes,
    data_state: Bytes,
    table_state: Bytes,
    width: int,
    pointer: int,
    keys: Longs,
    starts: Longs,
    stops: Longs,
    known: Longs,
    lows: Longs,
    highs: Longs,
) -> int:
    """Narrow each range lows[n]..highs[n] of ranks to the suffixes that begin with keys[starts[n]:stops[n]].

    Every suffix in the given range must begin with the first known[n] of those tokens. An empty
    result has lows[n] == highs[n].
    """
    entries = data.size // width
    for n in range(starts.size):
        start, stop = starts[n], stops[n]
        if lows[n] < 0 or highs[n] > entries:
            return DAMAGED
        low, high, low_common, high_common = lows[n], highs[n], known[n], known[n]
        while low < high:  # the first suffix that is not before the query
            middle = (low + high) >> 1
            position = _entry(table, table_state, middle, pointer)
            if position >= data.size or position % width:
                return DAMAGED
            shared = min(low_common, high_common)
            common = _common(data, data_state, width, position, keys, start, stop, shared)
            at = position + common * width
            if start + common < stop and (at >= data.size or _key(data, at, width) < keys[start + common]):
                low, low_common = middle + 1, common
            else:
                high, high_common = middle, common
        lows[n], high, step = low, highs[n], 1
        while low < high:  # the first one after it that does not begin with the query: doubling, then halving
            middle = min(low + step, high) - 1 if step else (low + high) >> 1
            position = _entry(table, table_state, middle, pointer)
            if position >= data.size or position % width:
                return DAMAGED
            if start + _common(data, data_state, width, position, keys, start, stop, known[n]) == stop:
                low, step = middle + 1, 2 * step
            else:
                high, step = middle, 0
        highs[n] = low
    return OK


@compiled
def locate(
    data: Bytes,
    table: Bytes,
    offsets: NDArray[np.uint64],
    table_state: Bytes,
    offset_state: Bytes,
    width: int,
    pointer: int,
    ranks: Longs,
    found: Longs,
) -> int:
    """found[n] = (position, document, start, stop) of the suffix at ranks[n]; all but document in bytes.

    `start` is the document's first token, after its separator. found has shape [ranks, 4].
    """
    for n in range(ranks.size):
        if ranks[n] < 0 or ranks[n] >= data.size // width:
            return DAMAGED
        position = _entry(table, table_state, ranks[n], pointer)
        low, high = 0, offsets.size
        while high - low > 1:
            middle = (low + high) >> 1
            _touch(offset_state, middle * 8)
            if np.int64(offsets[middle]) <= position:
                low = middle
            else:
                high = middle
        _touch(offset_state, low * 8)
        start = np.int64(offsets[low]) + width
        stop = np.int64(offsets[high]) if high < offsets.size else data.size
        if not width <= start <= position < stop <= data.size:
            return DAMAGED
        if position % width or start % width or stop % width:
            return DAMAGED
        found[n, 0], found[n, 1], found[n, 2], found[n, 3] = position, low, start, stop
    return OK


@compiled
def score_windows(
    data: Bytes,
    data_state: Bytes,
    width: int,
    windows: Longs,
    slots: NDArray[np.int32],
    weights: NDArray[np.float64],
    saturation: float,
    length_share: float,
    mean_length: float,
    scores: NDArray[np.float64],
) -> None:
    """scores[n] = BM25 of the tokens in bytes windows[n, 0]..windows[n, 1] (inside the data, whole tokens).

    slots[id] is the query term's number or -1; weights[term] its inverse document frequency times
    its count in the query. `saturation` is k1, `length_share` b.
    """
    counts = np.zeros(weights.size, dtype=np.int64)
    for n in range(windows.shape[0]):
        counts[:] = 0
        start, stop = windows[n, 0], windows[n, 1]
        for at in range(start, stop, width):
            token = np.int64(0)
            for byte in range(width):
                token |= np.int64(data[at + byte]) << (8 * byte)
            if token < slots.size and slots[token] >= 0:
                counts[slots[token]] += 1
        for block in range(start >> BLOCK_SHIFT, ((stop - 1) >> BLOCK_SHIFT) + 1):
            _touch(data_state, block << BLOCK_SHIFT)
        length = (stop - start) // width
        slack = saturation * (1.0 - length_share + length_share * length / mean_length)
        for term in range(weights.size):
            if counts[term] > 0:
                scores[n] += weights[term] * counts[term] * (saturation + 1.0) / (counts[term] + slack)
