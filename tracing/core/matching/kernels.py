"""Compiled search over one shard's mapped files. No Python objects, no GIL, every pointer checked.

Kernels return OK or DAMAGED. A table entry outside the data, or inside a token, is DAMAGED. Damage
that still points into the data may give any answer, never a read out of bounds: the caller's check
of the marked blocks then refuses the answer.

The text to be searched for comes as `text`, its bytes as the shard's token type holds them, and `gaps`,
the places, in order, of the tokens that this type cannot hold: no match contains one.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tracing.core.matching.search import (
    AFTER,
    HIGH,
    HIGH_SHARED,
    LOW,
    LOW_SHARED,
    NODE,
    OK,
    ROWS,
    START,
    STOP,
    insert,
)
from tracing.core.matching.words import (
    BLOCK_SHIFT,
    DAMAGED,
    WORD_BYTES,
    Bytes,
    Int,
    Longs,
    Table,
    compiled,
    entry,
    load_word,
    touch,
)

BATCH = 16  # searches that go side by side
SHORT, SHORTS = 4, 4  # tokens of a match; after so many short ones in a row the next places are all searched
NEAR = 2  # tokens before the end of a match where the next one is looked for first


class Sought(NamedTuple):
    """A text as kernels see it: where its bytes and its gaps lie in memory, and how many there are."""

    text: Int
    tokens: Int
    gaps: Int
    gap_count: Int


@compiled
def extend_reaches(shard: Table, text: Bytes, gaps: Longs, begin: int, end: int, reaches: Longs) -> int:
    """Raise reaches[i], for begin <= i < end, to the end of the longest match that begins at token i.

    reaches[i] is at least i, and never falls with i, nor does what is found here. So between two places
    whose matches end alike all matches do, and are not looked for; the same where the match at the
    second place reaches no further than what other shards have given already.
    """
    sought = Sought(text.ctypes.data, text.size // shard.width, gaps.ctypes.data, gaps.size)
    lanes = np.empty((ROWS, BATCH), dtype=np.int64)
    ends = np.full(end, -1, dtype=np.int64)  # of the matches that were looked for
    places = np.empty(end - begin + 1, dtype=np.int64)  # of them those after `place`, nearest last
    place, waiting, shorts = begin, 0, 0
    sound = _find_ends(shard, sought, begin, begin + 1, ends, lanes)
    while sound:
        reach = ends[place]
        reaches[place] = max(reaches[place], reach)
        if place == end - 1:
            return OK
        shorts = shorts + 1 if reach - place <= SHORT else 0
        if shorts >= SHORTS:
            sound = _find_ends(shard, sought, place + 1, min(place + 1 + BATCH, end), ends, lanes)
        bound = max(reach, reaches[place + 1])
        if waiting == 0:
            places[0], waiting = min(max(place + 1, bound - NEAR), end - 1), 1
            sound &= _find_ends(shard, sought, places[0], places[0] + 1, ends, lanes)
        after = places[waiting - 1]
        while after > place + 1 and ends[after] > bound:
            after = _between(place, after, bound)
            sound &= _find_ends(shard, sought, after, after + 1, ends, lanes)
            places[waiting] = after
            waiting += 1
        for skipped in range(place + 1, after):
            reaches[skipped] = max(reaches[skipped], reach)
        waiting -= 1
        place = after
    return DAMAGED


@compiled
def _between(place: Int, after: Int, bound: Int) -> Int:
    """Where to look next between two places: in the middle, or nearer to the end of the match before."""
    middle = (place + after) >> 1
    if after < bound:
        middle = max(middle, 2 * after - bound)
    return middle


@compiled
def _find_ends(shard: Table, sought: Sought, begin: Int, end: Int, ends: Longs, lanes: Longs) -> bool:
    """ends[i], for begin <= i < end, becomes the token after the longest match that begins at token i.

    Nothing is done where the first of them is known. False where the shard is damaged.
    """
    if ends[begin] >= 0:
        return True
    count, width = end - begin, shard.width
    for n in range(count):
        _begin_lane(lanes, n, (begin + n) * width, _next_gap(sought, begin + n) * width)
        lanes[LOW, n], lanes[HIGH, n], lanes[NODE, n] = 0, shard.size // width, 1
    if insert(shard, sought.text, lanes, count) == DAMAGED:
        return False
    for n in range(count):
        ends[begin + n] = begin + n + max(lanes[LOW_SHARED, n], lanes[HIGH_SHARED, n]) // width
    return True


@compiled
def _begin_lane(lanes: Longs, n: Int, start: Int, stop: Int) -> None:
    """Have lane n look for the bytes start..stop of the text, of which nothing is known yet."""
    lanes[START, n], lanes[STOP, n] = start, stop
    lanes[LOW_SHARED, n] = lanes[HIGH_SHARED, n] = lanes[AFTER, n] = 0


@compiled
def _next_gap(sought: Sought, place: Int) -> Int:
    """The first gap at or after `place`; the end of the text if there is none."""
    low, high = np.int64(0), np.int64(sought.gap_count)
    while low < high:
        middle = (low + high) >> 1
        if np.int64(load_word(sought.gaps + middle * WORD_BYTES)) < place:
            low = middle + 1
        else:
            high = middle
    return np.int64(load_word(sought.gaps + low * WORD_BYTES)) if low < sought.gap_count else sought.tokens


@compiled
def find_ranges(
    shard: Table, text: Bytes, gaps: Longs, known: int, starts: Longs, stops: Longs, lows: Longs, highs: Longs
) -> int:
    """Narrow each range of ranks lows[n]..highs[n] to suffixes that begin with tokens starts[n]..stops[n].

    Every suffix in the given range must begin with the first `known` of those tokens; where none is
    known the whole table is searched. An empty result has lows[n] == highs[n].
    """
    entries, width = shard.size // shard.width, shard.width
    sought = Sought(text.ctypes.data, text.size // width, gaps.ctypes.data, gaps.size)
    lanes = np.empty((ROWS, BATCH), dtype=np.int64)
    for first in range(0, starts.size, BATCH // 2):
        count = min(BATCH // 2, starts.size - first)
        for n in range(2 * count):  # two lanes for each range: its first rank, and the rank after its last
            m = first + n // 2
            _begin_lane(lanes, n, starts[m] * width, stops[m] * width)
            lanes[AFTER, n] = n & 1
            lanes[LOW, n], lanes[HIGH, n], lanes[NODE, n] = 0, entries, 1
            if known:
                lanes[LOW, n], lanes[HIGH, n], lanes[NODE, n] = lows[m], highs[m], shard.top_words
                lanes[LOW_SHARED, n] = lanes[HIGH_SHARED, n] = min(known, stops[m] - starts[m]) * width
            if lanes[LOW, n] < 0 or lanes[HIGH, n] > entries:
                return DAMAGED
            if _next_gap(sought, starts[m]) < stops[m]:
                lanes[HIGH, n] = lanes[LOW, n]
        if insert(shard, sought.text, lanes, 2 * count) == DAMAGED:
            return DAMAGED
        for n in range(count):
            lows[first + n], highs[first + n] = lanes[LOW, 2 * n], lanes[LOW, 2 * n + 1]
    return OK


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
