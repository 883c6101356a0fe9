"""Binary searches in one shard's suffix array, side by side.

What is searched for is `text`, the address of its bytes as the shard's token type holds them. A search is a
*lane*, some numbers at an address, each so many bytes further: it looks for the bytes START..STOP of the text
among the suffixes of the ranks LOW..HIGH, and ends at the one rank before which they would stand in the
table, LOW and HIGH alike. LOW_SHARED and HIGH_SHARED are how many of those bytes the suffixes of ranks
LOW - 1 and HIGH begin with, or fewer: all suffixes between share the smaller number of the two, which is not
compared again.
"""

from typing import Final

import numpy as np

from tracing.core.matching.lcps import UNKNOWN, choose, expect, run, sampled, shared_before
from tracing.core.matching.words import DAMAGED, Table, entry, suffix_word
from tracing.core.native import (
    Int,
    compiled,
    inlined,
    leading_zeros,
    load_long,
    prefetch,
    store_long,
    word_at,
)
from tracing.core.stores.lcp import FAR, LEVEL_SHIFT
from tracing.core.stores.words import WORD_BYTES

OK: Final = 0
BATCH: Final = 32  # searches that go side by side
NUMBERS: Final = 16  # of a lane
LANE_BYTES: Final = NUMBERS * WORD_BYTES
START, STOP, LOW, HIGH, LOW_SHARED, HIGH_SHARED, AFTER = range(0, 7 * WORD_BYTES, WORD_BYTES)
LEVEL, FIRST, LAST, CHOSEN, RANK, POSITION = range(7 * WORD_BYTES, 13 * WORD_BYTES, WORD_BYTES)  # of a step
WORD, HEAD, BOUND = range(13 * WORD_BYTES, 16 * WORD_BYTES, WORD_BYTES)  # of whoever fills the lanes


@compiled
def insert(shard: Table, text: Int, lanes: Int, count: Int) -> int:
    """Narrow the first `count` lanes until LOW == HIGH: OK or DAMAGED.

    AFTER is 1 to stand after all suffixes that begin with the bytes sought, 0 to stand before them. All
    lanes take each step together, so that they wait for memory side by side and not one after the other.
    """
    end, going = lanes + count * LANE_BYTES, count
    while going > 0:
        going = 0
        for lane in range(lanes, end, LANE_BYTES):
            low, high = load_long(lane + LOW), load_long(lane + HIGH)
            if low < high:
                going += 1
                level, first, last = sampled(shard, low, high)
                if 8 * min(load_long(lane + LOW_SHARED), load_long(lane + HIGH_SHARED)) >= FAR:
                    level = np.int64(UNKNOWN)  # all of them share so much that LCPs do not tell them apart
                start, stop = load_long(lane + START), load_long(lane + STOP)
                chosen = choose(shard, text, start, stop, level, first, last)
                rank = chosen << (LEVEL_SHIFT * level) if chosen != UNKNOWN else (low + high) >> 1
                prefetch(shard.table + rank * shard.pointer)
                store_long(lane + LEVEL, level)
                store_long(lane + FIRST, first)
                store_long(lane + LAST, last)
                store_long(lane + CHOSEN, chosen)
                store_long(lane + RANK, rank)
        for lane in range(lanes, end, LANE_BYTES):
            if load_long(lane + LOW) < load_long(lane + HIGH):
                position = entry(shard, load_long(lane + RANK))
                if position < 0:
                    return DAMAGED
                prefetch(shard.data + position)
                store_long(lane + POSITION, position)
        for lane in range(lanes, end, LANE_BYTES):
            if load_long(lane + LOW) < load_long(lane + HIGH):
                if load_long(lane + CHOSEN) == UNKNOWN:
                    _halve(shard, text, lane)
                else:
                    _close_in(shard, text, lane)
                expect(shard, load_long(lane + LOW), load_long(lane + HIGH))
    return OK


@inlined
def _halve(shard: Table, text: Int, lane: Int) -> None:
    """Go on with one half of the lane's ranks, by the suffix in the middle."""
    middle, (bits, before) = load_long(lane + RANK), _compare(shard, text, lane)
    store_long(lane + (LOW if before else HIGH), middle + before)
    store_long(lane + (LOW_SHARED if before else HIGH_SHARED), bits >> 3)


@inlined
def _close_in(shard: Table, text: Int, lane: Int) -> None:
    """Go to one end of the suffixes of the level that part from the bytes sought where the chosen does."""
    size, (bits, before) = load_long(lane + STOP) - load_long(lane + START), _compare(shard, text, lane)
    level, chosen, alike = load_long(lane + LEVEL), load_long(lane + CHOSEN), min(bits + 1, 8 * size)
    shift = LEVEL_SHIFT * level
    first, last = load_long(lane + FIRST), load_long(lane + LAST)
    begin, end = run(shard, level, chosen, first, last, alike)
    if before:
        if end < last:
            store_long(lane + HIGH, end << shift)
            store_long(lane + HIGH_SHARED, shared_before(shard, level, end))
        store_long(lane + LOW, ((end - 1 if alike <= FAR else chosen) << shift) + 1)
        store_long(lane + LOW_SHARED, bits >> 3)
    else:
        if begin > first:
            store_long(lane + LOW, ((begin - 1) << shift) + 1)
            store_long(lane + LOW_SHARED, shared_before(shard, level, begin))
        store_long(lane + HIGH, (begin if alike <= FAR else chosen) << shift)
        store_long(lane + HIGH_SHARED, bits >> 3)


@inlined
def _compare(shard: Table, text: Int, lane: Int) -> tuple[Int, bool]:
    """How many bits the suffix at POSITION shares with those sought, and whether the lane stands after it."""
    start, stop, position = load_long(lane + START), load_long(lane + STOP), load_long(lane + POSITION)
    known = min(load_long(lane + LOW_SHARED), load_long(lane + HIGH_SHARED))
    bits, before = compare(shard, position, text, start, stop, known)
    return bits, before or (bits == 8 * (stop - start) and load_long(lane + AFTER) > 0)


@inlined
def compare(shard: Table, position: Int, text: Int, start: Int, stop: Int, known: Int) -> tuple[Int, bool]:
    """How many bits the suffix at `position` shares with text[start:stop], `known` bytes at least, and
    whether it comes before them."""
    size, shared = stop - start, known
    most = min(size, shard.size - position)
    while shared < most:
        found, sought = suffix_word(shard, position + shared), word_at(text, stop, start + shared)
        if found != sought:
            bits = 8 * shared + leading_zeros(found ^ sought)
            if bits < 8 * most:
                return bits, bool(found < sought)
            break
        shared += WORD_BYTES
    return 8 * most, bool(most < size)
