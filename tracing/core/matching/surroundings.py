"""Compiled reading of one shard around what was found: where a match lies, and how well its words suit.

As in `kernels`: no Python objects, no GIL, every pointer checked, every block that is read marked.
"""

import numpy as np
from numpy.typing import NDArray

from tracing.core.arrays import Bytes, Longs
from tracing.core.matching.search import OK
from tracing.core.matching.words import BLOCK_SHIFT, DAMAGED, Table, entry, tokens_of, touch
from tracing.core.native import compiled, load_pointer, prefetch

LOW, HIGH = (
    1,
    2,
)  # columns of what `locate` finds, while it searches: the document's number is one of low..high


@compiled
def locate(shard: Table, offsets: NDArray[np.uint64], offset_state: Bytes, ranks: Longs, found: Longs) -> int:
    """found[n] = (position, document, start, stop) of the suffix at ranks[n]; all but document in bytes.

    `start` is the document's first token, after its separator. found has shape [ranks, 4]. All ranks take
    each step together, so that they wait for memory side by side and not one after the other.
    """
    size, width, state, own = shard.size, shard.width, offset_state.ctypes.data, offsets.ctypes.data
    for n in range(ranks.size):
        if ranks[n] < 0 or ranks[n] >= tokens_of(shard, size):
            return DAMAGED
        prefetch(shard.table + ranks[n] * shard.pointer)
    for n in range(ranks.size):
        position = entry(shard, ranks[n])
        if position < 0:
            return DAMAGED
        found[n, 0], found[n, LOW], found[n, HIGH] = position, 0, offsets.size
    left = np.int64(offsets.size)  # documents among which a rank's is, at most
    while left > 1:
        left = (left + 1) >> 1
        for n in range(ranks.size):
            low, high = found[n, LOW], found[n, HIGH]
            if high - low > 1:
                middle = (low + high) >> 1
                touch(state, own, middle * 8)
                is_before = np.int64(offsets[middle]) <= found[n, 0]
                found[n, LOW], found[n, HIGH] = (middle, high) if is_before else (low, middle)
    for n in range(ranks.size):
        position, low, high = found[n, 0], found[n, LOW], found[n, HIGH]
        touch(state, own, low * 8)
        start = np.int64(offsets[low]) + width
        stop = np.int64(offsets[high]) if high < offsets.size else size
        if not width <= start <= position < stop <= size:
            return DAMAGED
        if start % width or stop % width:
            return DAMAGED
        found[n, 1], found[n, 2], found[n, 3] = low, start, stop
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
    state, own = data_state.ctypes.data, data.ctypes.data
    counts, met = np.zeros(weights.size, dtype=np.int64), np.empty(weights.size, dtype=np.int64)
    for n in range(windows.shape[0]):
        start, stop, terms = windows[n, 0], windows[n, 1], 0
        for block in range(start >> BLOCK_SHIFT, ((stop - 1) >> BLOCK_SHIFT) + 1):
            touch(state, own, block << BLOCK_SHIFT)
        for at in range(start, stop, width):
            token = load_pointer(own + at, width)
            term = slots[token] if token < slots.size else -1
            if term >= 0:
                if counts[term] == 0:
                    met[terms] = term
                    terms += 1
                counts[term] += 1
        length = (stop - start) // width
        slack = saturation * (1.0 - length_share + length_share * length / mean_length)
        for term in met[:terms]:
            scores[n] += weights[term] * counts[term] * (saturation + 1.0) / (counts[term] + slack)
            counts[term] = 0
