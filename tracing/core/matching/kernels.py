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
    OK,
    longest,
    lower_bound_within,
    lower_bounds,
    range_end,
    shared_by_all,
)
from tracing.core.matching.words import (
    BLOCK_SHIFT,
    DAMAGED,
    WORD_BYTES,
    Bytes,
    Int,
    Longs,
    Table,
    Words,
    compiled,
    entry,
    load_word,
    touch,
    word_at,
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


class Batch(NamedTuple):
    """Room for searches that go side by side: `words` [BATCH] and `numbers` [5, BATCH]."""

    words: Words
    numbers: Longs


@compiled
def extend_reaches(shard: Table, text: Bytes, gaps: Longs, begin: int, end: int, reaches: Longs) -> int:
    """Raise reaches[i], for begin <= i < end, to the end of the longest match that begins at token i.

    reaches[i] is at least i, and never falls with i, nor does what is found here. So between two places
    whose matches end alike all matches do, and are not looked for; the same where the match at the
    second place reaches no further than what other shards have given already.
    """
    batch = Batch(np.empty(BATCH, dtype=np.uint64), np.empty((5, BATCH), dtype=np.int64))
    bounds, searched = np.full(end - begin, -1, dtype=np.int64), begin + 1
    places, ends = np.empty(end - begin + 1, dtype=np.int64), np.empty(end - begin + 1, dtype=np.int64)
    place, waiting, shorts = (
        begin,
        0,
        0,
    )  # the matches at places[:waiting], all after `place`, are known, nearest last
    sought = Sought(text.ctypes.data, text.size // shard.width, gaps.ctypes.data, gaps.size)
    reach = _match_end(shard, sought, begin, -1)
    while reach >= 0:
        reaches[place] = max(reaches[place], reach)
        if place == end - 1:
            return OK
        shorts = shorts + 1 if reach - place <= SHORT else 0
        if searched <= place + 1 and shorts >= SHORTS:
            searched = min(place + 1 + BATCH, end)
            if _search_first_words(shard, sought, place + 1, searched, batch) < 0:
                return DAMAGED
            bounds[place + 1 - begin : searched - begin] = batch.numbers[0, : searched - place - 1]
        bound = max(reach, reaches[place + 1])
        if waiting == 0:
            places[0] = min(max(place + 1, bound - NEAR), end - 1)
            ends[0], waiting = _match_end(shard, sought, places[0], bounds[places[0] - begin]), 1
        after = places[waiting - 1]
        while after > place + 1 and ends[waiting - 1] > bound:
            after = _between(place, after, bound)
            places[waiting], ends[waiting] = after, _match_end(shard, sought, after, bounds[after - begin])
            waiting += 1
        for skipped in range(place + 1, after):
            reaches[skipped] = max(reaches[skipped], reach)
        waiting -= 1
        place, reach = after, ends[waiting]
    return DAMAGED


@compiled
def _between(place: Int, after: Int, bound: Int) -> Int:
    """Where to look next between two places: in the middle, or nearer to the end of the match before."""
    middle = (place + after) >> 1
    if after < bound:
        middle = max(middle, 2 * after - bound)
    return middle


@compiled
def _search_first_words(shard: Table, sought: Sought, begin: Int, end: Int, batch: Batch) -> Int:
    """The lower bounds of the words at tokens begin..end, side by side, in batch.numbers[0]."""
    valid = batch.numbers[4]
    for n in range(end - begin):
        start, stop = (begin + n) * shard.width, _next_gap(sought, begin + n) * shard.width
        batch.words[n], valid[n] = word_at(sought.text, stop, start), min(WORD_BYTES, stop - start)
    return lower_bounds(shard, batch.words, valid, batch.numbers, end - begin)


@compiled
def _match_end(shard: Table, sought: Sought, place: Int, bound: Int) -> Int:
    """The token after the longest match that begins at token `place`; `bound` as `at` of `longest`."""
    stop = _next_gap(sought, place)
    if place == stop:
        return place
    found = longest(shard, sought.text, place * shard.width, stop * shard.width, bound)
    return DAMAGED if found < 0 else place + found // shard.width


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
    batch = Batch(np.empty(BATCH, dtype=np.uint64), np.empty((5, BATCH), dtype=np.int64))
    for n in range(starts.size):
        first = known == 0 and n % BATCH == 0
        if first and _search_starts(shard, sought, starts[n : n + BATCH], stops[n : n + BATCH], batch) < 0:
            return DAMAGED
        start, stop, depth = starts[n] * width, stops[n] * width, known * width
        low, high = (lows[n], highs[n]) if known else (0, entries)
        if low < 0 or high > entries:
            return DAMAGED
        if _next_gap(sought, starts[n]) < stops[n]:
            high = low
        while low < high and start + depth < stop:
            word, valid = word_at(sought.text, stop, start + depth), min(WORD_BYTES, stop - start - depth)
            if depth:
                low = lower_bound_within(shard, low, high, depth, word, valid)
            else:
                low = batch.numbers[0, n % BATCH]
            if low < 0:
                return DAMAGED
            high = range_end(shard, low, high, depth, word, valid)
            depth += valid
            if low < high and start + depth < stop:
                depth = shared_by_all(shard, low, high, sought.text, start, stop, depth)
            if high < 0 or depth < 0:
                return DAMAGED
        lows[n], highs[n] = low, high
    return OK


@compiled
def _search_starts(shard: Table, sought: Sought, starts: Longs, stops: Longs, batch: Batch) -> Int:
    """The lower bounds of the first words of these sequences, side by side, in batch.numbers[0]."""
    valid, width = batch.numbers[4], shard.width
    for n in range(starts.size):
        batch.words[n] = word_at(sought.text, stops[n] * width, starts[n] * width)
        valid[n] = min(WORD_BYTES, (stops[n] - starts[n]) * width)
    return lower_bounds(shard, batch.words, valid, batch.numbers, starts.size)


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
