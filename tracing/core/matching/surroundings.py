"""Compiled reading of one shard around what was found: where a match lies, and how well its words suit.

As in `kernels`: no Python objects, no GIL, every pointer checked, every block that is read marked.
"""

import numpy as np
from numpy.typing import NDArray

from tracing.core.arrays import Bytes, Longs
from tracing.core.matching.search import OK
from tracing.core.matching.words import BLOCK_SHIFT, DAMAGED, Table, entry, touch
from tracing.core.native import compiled


@compiled
def locate(shard: Table, offsets: NDArray[np.uint64], offset_state: Bytes, ranks: Longs, found: Longs) -> int:
    """found[n] = (position, document, start, stop) of the suffix at ranks[n]; all but document in bytes.

    `start` is the document's first token, after its separator. found has shape [ranks, 4].
    """
    size, width, state, own = shard.size, shard.width, offset_state.ctypes.data, offsets.ctypes.data
    for n in range(ranks.size):
        if ranks[n] < 0 or ranks[n] >= size // width:
            return DAMAGED
        position = entry(shard, ranks[n])
        if position < 0:
            return DAMAGED
        low, high = 0, offsets.size
        while high - low > 1:
            middle = (low + high) >> 1
            touch(state, own, middle * 8)
            if np.int64(offsets[middle]) <= position:
                low = middle
            else:
                high = middle
        touch(state, own, low * 8)
        start = np.int64(offsets[low]) + width
        stop = np.int64(offsets[high]) if high < offsets.size else size
        if not width <= start <= position < stop <= size:
            return DAMAGED
        if start % width or stop % width:
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
    state = data_state.ctypes.data
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
            touch(state, data.ctypes.data, block << BLOCK_SHIFT)
        length = (stop - start) // width
        slack = saturation * (1.0 - length_share + length_share * length / mean_length)
        for term in range(weights.size):
            if counts[term] > 0:
                scores[n] += weights[term] * counts[term] * (saturation + 1.0) / (counts[term] + slack)
