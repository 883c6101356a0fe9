"""Binary searches in one shard's suffix array, side by side.

What is searched for is `text`, the address of its bytes as the shard's token type holds them. A search is a
*lane*, some numbers at an address, each so many bytes further: it looks for the bytes START..STOP of the text
among the suffixes of the ranks LOW..HIGH, and ends at the one rank before which they would stand in the
table, LOW and HIGH alike. LOW_SHARED and HIGH_SHARED are how many of those bytes the suffixes of ranks
LOW - 1 and HIGH begin with, or fewer: all suffixes between share the smaller number of the two, which is not
compared again.

Somewhere in the ranks LOW_FROM..LOW_TO begin the suffixes that share as many tokens as that of rank LOW - 1,
and in HIGH_FROM..HIGH_TO end those that share as many as that of rank HIGH; nothing is known of that where
the first of the two is UNKNOWN.
"""

from typing import Final

import numpy as np

from tracing.core.matching.words import (
    DAMAGED,
    Int,
    Table,
    compiled,
    entry,
    equal_bytes,
    inlined,
    load_long,
    prefetch,
    store_long,
    suffix_word,
    word_at,
)
from tracing.core.stores.words import WORD_BYTES

OK: Final = 0
UNKNOWN: Final = -1
BATCH: Final = 32  # searches that go side by side
NUMBERS: Final = 16  # of a lane
LANE_BYTES: Final = NUMBERS * WORD_BYTES
START, STOP, LOW, HIGH, LOW_SHARED, HIGH_SHARED, AFTER, POSITION = range(0, 8 * WORD_BYTES, WORD_BYTES)
LOW_FROM, LOW_TO, HIGH_FROM, HIGH_TO = range(8 * WORD_BYTES, 12 * WORD_BYTES, WORD_BYTES)
WORD, HEAD, BOUND = range(12 * WORD_BYTES, 15 * WORD_BYTES, WORD_BYTES)  # of whoever fills the lanes


@compiled
def insert(shard: Table, text: Int, lanes: Int, count: Int) -> int:
    """Narrow the first `count` lanes until LOW == HIGH: OK or DAMAGED.

    AFTER is 1 to stand after all suffixes that begin with the bytes sought, 0 to stand before them. All
    lanes take each step together, so that they wait for memory side by side and not one after the other.
    """
    going = count
    while going > 0:
        going = 0
        for lane in range(lanes, lanes + count * LANE_BYTES, LANE_BYTES):
            low, high = load_long(lane + LOW), load_long(lane + HIGH)
            if low < high:
                going += 1
                position = entry(shard, (low + high) >> 1)
                if position < 0:
                    return DAMAGED
                prefetch(shard.data + position)
                store_long(lane + POSITION, position)
        for lane in range(lanes, lanes + count * LANE_BYTES, LANE_BYTES):
            if load_long(lane + LOW) < load_long(lane + HIGH):
                _halve(shard, text, lane)
    return OK


@inlined
def _halve(shard: Table, text: Int, lane: Int) -> None:
    """Go on with one half of the lane's ranks, by the suffix at POSITION, that of the rank in the middle."""
    low, high = load_long(lane + LOW), load_long(lane + HIGH)
    low_shared, high_shared = load_long(lane + LOW_SHARED), load_long(lane + HIGH_SHARED)
    start, stop, position = load_long(lane + START), load_long(lane + STOP), load_long(lane + POSITION)
    size, depth, middle = stop - start, min(low_shared, high_shared), (low + high) >> 1
    most, shared, before = min(size, shard.size - position), depth, False
    while shared < most:
        found, sought = suffix_word(shard, position + shared), word_at(text, stop, start + shared)
        before, equal = bool(found < sought), equal_bytes(found, sought)
        shared += equal
        if equal < WORD_BYTES:
            break
    if shared >= most:
        shared, before = most, most < size or load_long(lane + AFTER) > 0
    if before:
        if shared & -shard.width > low_shared:
            store_long(lane + LOW_FROM, low)
            store_long(lane + LOW_TO, middle)
        store_long(lane + LOW, middle + 1)
        store_long(lane + LOW_SHARED, shared)
        prefetch(shard.table + ((middle + 1 + high) >> 1) * shard.pointer)
    else:
        if shared & -shard.width > high_shared:
            store_long(lane + HIGH_FROM, middle + 1)
            store_long(lane + HIGH_TO, high)
        store_long(lane + HIGH, middle)
        store_long(lane + HIGH_SHARED, shared)
        prefetch(shard.table + ((low + middle) >> 1) * shard.pointer)


@compiled
def shared_bytes(shard: Table, position: Int, text: Int, start: Int, stop: Int) -> Int:
    """Bytes of text[start:stop] that the suffix at `position` begins with."""
    shared, most = np.int64(0), min(stop - start, shard.size - position)
    while shared < most:
        equal = equal_bytes(suffix_word(shard, position + shared), word_at(text, stop, start + shared))
        shared += equal
        if equal < WORD_BYTES:
            break
    return min(shared, most)
