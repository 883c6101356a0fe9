"""Compiled search over one shard's mapped files. No Python objects, no GIL, every pointer checked.

Kernels return OK or DAMAGED. A table entry outside the data, or inside a token, is DAMAGED. Damage
that still points into the data may give any answer, never a read out of bounds: the caller's check
of the marked blocks then refuses the answer.

The text to be searched for comes as `text`, its bytes as the shard's token type holds them, and `gaps`,
the places, in order, of the tokens that this type cannot hold: no match contains one.
"""

from typing import NamedTuple

import numpy as np

from tracing.core.arrays import Bytes, Longs
from tracing.core.matching.heads import enter
from tracing.core.matching.lcps import UNKNOWN, edge_of_run
from tracing.core.matching.query import MET_NUMBERS
from tracing.core.matching.search import (
    AFTER,
    BATCH,
    BOUND,
    HIGH,
    HIGH_SHARED,
    LANE_BYTES,
    LOW,
    LOW_SHARED,
    OK,
    START,
    STOP,
    insert,
)
from tracing.core.matching.words import DAMAGED, Table, tokens_of
from tracing.core.native import Int, compiled, inlined, load_long, store_long
from tracing.core.stores.words import WORD_BYTES

ROOM_BYTES = 2 * BATCH * LANE_BYTES
SHORT, SHORTS = 4, 4  # tokens of a match; after so many short ones in a row the next places are all searched
MET_BYTES = MET_NUMBERS * WORD_BYTES
NEAR = 2  # tokens before the end of a match where the next one is looked for first
AT_ONCE = 5  # places from there on that are looked for: they wait for memory side by side


class Sought(NamedTuple):
    """A text as kernels see it: where its bytes and its gaps lie in memory, and how many there are."""

    text: Int
    tokens: Int
    gaps: Int
    gap_count: Int


class Met(NamedTuple):
    """What searches have met, as kernels see it: where it lies in memory, and how many rows there are."""

    place: Int
    rows: Int


@compiled
def extend_reaches(
    shard: Table, text: Bytes, gaps: Longs, room: Bytes, begin: int, end: int, reaches: Longs, met: Longs
) -> int:
    """Raise reaches[i], for begin <= i < end, to the end of the longest match that begins at token i.

    reaches[i] is at least i, and never falls with i, nor does what is found here. So between two places
    whose matches end alike all matches do, and are not looked for; the same where the match at the
    second place reaches no further than what other shards have given already.

    met[i - begin] becomes what `find_ranges` can use of the search for token i, where there was one: the end
    of its match, the rank where it would stand, and next to which suffixes that share as much: 1 for that
    before, 2 for that of the rank, 3 for both. Its first number is -1 before.
    """
    sought = Sought(text.ctypes.data, tokens_of(shard, text.size), gaps.ctypes.data, gaps.size)
    lanes, known = room.ctypes.data, met.ctypes.data - begin * MET_BYTES
    places = np.empty(end - begin + 1, dtype=np.int64)  # those after `place` that are known, nearest last
    place, waiting, shorts = begin, 0, 0
    sound = _find_ends(shard, sought, begin, begin + 1, known, lanes)
    while sound:
        reach = _end(known, place)
        reaches[place] = max(reaches[place], reach)
        if place == end - 1:
            return OK
        shorts = shorts + 1 if reach - place <= SHORT else 0
        if shorts >= SHORTS:
            sound = _find_ends(shard, sought, place + 1, min(place + 1 + BATCH, end), known, lanes)
        bound = max(reach, reaches[place + 1])
        if waiting == 0:
            places[0], waiting = min(max(place + 1, bound - NEAR), end - 1), 1
            sound &= _find_ends(shard, sought, places[0], min(places[0] + AT_ONCE, end), known, lanes)
        after = places[waiting - 1]
        while after > place + 1 and _end(known, after) > bound:
            after = _between(place, after, bound)
            sound &= _find_ends(shard, sought, after, after + 1, known, lanes)
            places[waiting] = after
            waiting += 1
        for skipped in range(place + 1, after):
            reaches[skipped] = max(reaches[skipped], reach)
        waiting -= 1
        place = after
    return DAMAGED


@inlined
def _end(known: Int, place: Int) -> Int:
    """The token after the longest match that begins at token `place`, or -1."""
    return np.int64(load_long(known + place * MET_BYTES))


@inlined
def _between(place: Int, after: Int, bound: Int) -> Int:
    """Where to look next between two places: in the middle, or nearer to the end of the match before."""
    middle = (place + after) >> 1
    if after < bound:
        middle = max(middle, 2 * after - bound)
    return middle


@compiled
def _find_ends(shard: Table, sought: Sought, begin: Int, end: Int, known: Int, lanes: Int) -> bool:
    """Have the ends of the longest matches that begin at tokens begin..end known.

    Nothing is done where the first of them is. False where the shard is damaged.
    """
    if _end(known, begin) >= 0:
        return True
    for place in range(begin, end):
        lane = lanes + (place - begin) * LANE_BYTES
        store_long(lane + START, place * shard.width)
        store_long(lane + STOP, _next_gap(sought, place) * shard.width)
        store_long(lane + AFTER, 0)
    if enter(shard, sought.text, lanes, end - begin) == DAMAGED:
        return False
    if insert(shard, sought.text, lanes, end - begin) == DAMAGED:
        return False
    for place in range(begin, end):
        _note(shard, place, lanes + (place - begin) * LANE_BYTES, known + place * MET_BYTES)
    return True


@inlined
def _note(shard: Table, place: Int, lane: Int, met: Int) -> None:
    """Write to `met` what a lane at its end says of the longest match that begins at token `place`."""
    low_shared = tokens_of(shard, load_long(lane + LOW_SHARED))
    high_shared = tokens_of(shard, load_long(lane + HIGH_SHARED))
    tokens = max(low_shared, high_shared)
    store_long(met, place + tokens)
    store_long(met + 1 * WORD_BYTES, load_long(lane + LOW))
    store_long(met + 2 * WORD_BYTES, np.int64(low_shared == tokens) + 2 * np.int64(high_shared == tokens))


@inlined
def _next_gap(sought: Sought, place: Int) -> Int:
    """The first gap at or after `place`; the end of the text if there is none."""
    low, high = np.int64(0), np.int64(sought.gap_count)
    while low < high:
        middle = (low + high) >> 1
        if load_long(sought.gaps + middle * WORD_BYTES) < place:
            low = middle + 1
        else:
            high = middle
    return load_long(sought.gaps + low * WORD_BYTES) if low < sought.gap_count else sought.tokens


@compiled
def find_ranges(
    shard: Table,
    text: Bytes,
    gaps: Longs,
    room: Bytes,
    known: int,
    starts: Longs,
    stops: Longs,
    lows: Longs,
    highs: Longs,
    met: Longs,
) -> int:
    """Narrow each range of ranks lows[n]..highs[n] to suffixes that begin with tokens starts[n]..stops[n].

    Every suffix in the given range must begin with the first `known` of those tokens; where none is
    known the whole table is searched. An empty result is 0..0. `met` is what
    `extend_reaches` made of it for all tokens, or has no rows.
    """
    sought = Sought(text.ctypes.data, tokens_of(shard, text.size), gaps.ctypes.data, gaps.size)
    seen, lanes = Met(met.ctypes.data, met.shape[0]), room.ctypes.data
    near, far = np.int64(0), np.int64(0)  # bounds that wait: some ranks are known, or the whole table is left
    for number in range(2 * starts.size):  # 2n for lows[n], 2n + 1 for highs[n]
        n = number >> 1
        low, high = _ranks(shard, sought, known, seen, starts[n], stops[n], number & 1, lows[n], highs[n])
        lane = lanes + (near if low != UNKNOWN else BATCH + far) * LANE_BYTES
        shared = min(known, stops[n] - starts[n]) * shard.width
        store_long(lane + START, starts[n] * shard.width)
        store_long(lane + STOP, stops[n] * shard.width)
        store_long(lane + LOW, low)
        store_long(lane + HIGH, high)
        store_long(lane + LOW_SHARED, shared)
        store_long(lane + HIGH_SHARED, shared)
        store_long(lane + AFTER, number & 1)
        store_long(lane + BOUND, number)
        near, far = (near + 1, far) if low != UNKNOWN else (near, far + 1)
        is_last = number + 1 == 2 * starts.size
        if near == BATCH or (near and is_last):
            if _settle(shard, sought, lanes, near, lows, highs) == DAMAGED:
                return DAMAGED
            near = np.int64(0)
        if far == BATCH or (far and is_last):
            first = lanes + BATCH * LANE_BYTES
            if enter(shard, sought.text, first, far) == DAMAGED:
                return DAMAGED
            if _settle(shard, sought, first, far, lows, highs) == DAMAGED:
                return DAMAGED
            far = np.int64(0)
    for n in range(starts.size):
        if lows[n] >= highs[n]:
            lows[n] = highs[n] = 0
    return OK


@inlined
def _ranks(
    shard: Table, sought: Sought, known: int, met: Met, start: Int, stop: Int, after: Int, low: Int, high: Int
) -> tuple[Int, Int]:
    """Between which ranks a bound of the tokens start..stop lies; UNKNOWN if that may be the whole table.

    Those that begin with the first `known` tokens are low..high.
    """
    if known == 0 and start < met.rows:
        row = met.place + start * MET_BYTES
        if load_long(row) == stop:
            rank, sides = load_long(row + WORD_BYTES), load_long(row + 2 * WORD_BYTES)
            if not sides & (1 + after):
                return rank, rank
            return edge_of_run(shard, rank if after else rank - 1, (stop - start) * shard.width, after)
        if 0 <= load_long(row) < stop:
            return low, high  # and the range stays empty
    if _next_gap(sought, start) < stop:
        return low, low
    return (low, high) if known else (np.int64(UNKNOWN), np.int64(UNKNOWN))


@compiled
def _settle(shard: Table, sought: Sought, lanes: Int, count: Int, lows: Longs, highs: Longs) -> int:
    """Have the first `count` lanes find their bounds: OK or DAMAGED."""
    entries = tokens_of(shard, shard.size)
    for lane in range(lanes, lanes + count * LANE_BYTES, LANE_BYTES):
        if load_long(lane + LOW) < 0 or load_long(lane + HIGH) > entries:
            return DAMAGED
    if insert(shard, sought.text, lanes, count) == DAMAGED:
        return DAMAGED
    for lane in range(lanes, lanes + count * LANE_BYTES, LANE_BYTES):
        rank, number = load_long(lane + LOW), load_long(lane + BOUND)
        if number & 1:
            highs[number >> 1] = rank
        else:
            lows[number >> 1] = rank
    return OK
