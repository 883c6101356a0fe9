"""What neighbouring suffixes share, a byte for each: it tells which one a search has to look at, and where
those end that begin alike, without reading any of them.

Suffixes in order form a binary trie: where two neighbours part, at the bit that their LCP names, one goes on
with 0 and the next with 1. Following the bits sought down this trie leads to a suffix that shares as much
with them as any: a blind search (Ferguson, "Bit-Tree: a data structure for fast file processing", 1992).
Where many suffixes are left, that is done on a level with each sixteenth, each 256th of them, and so on. What
neighbours share beyond FAR bits is not in the trie, nor where it is unknown: there searches go on by halves.
"""

from typing import Final

import numpy as np

from tracing.core.matching.words import Table, layout, tokens_of, touch, touch_all
from tracing.core.native import Int, inlined, load_byte, prefetch
from tracing.core.stores.heads import LCP_LEVELS, LCPS
from tracing.core.stores.lcp import FAR, LCP_LEVELS_MAX, LEVEL_SHIFT, UNKNOWN_LCP

UNKNOWN: Final = -1
EACH: Final = 1 << LEVEL_SHIFT
NARROW: Final = 16  # suffixes among which one is chosen
STEPS_MAX: Final = 2 * LCP_LEVELS_MAX * (EACH + 1)  # up and down all levels


@inlined
def sampled(shard: Table, low: Int, high: Int) -> tuple[Int, Int, Int]:
    """The lowest level that has no more than NARROW of the ranks low..high, and which ones of it (first, last
    excluded); UNKNOWN if there is none."""
    level, levels = np.int64(0), layout(shard, LCP_LEVELS)
    while high - low > NARROW and level < levels:
        level, low, high = level + 1, (low + EACH - 1) >> LEVEL_SHIFT, ((high - 1) >> LEVEL_SHIFT) + 1
    return (level if level < levels else np.int64(UNKNOWN)), low, high


@inlined
def expect(shard: Table, low: Int, high: Int) -> None:
    """Have what `choose` will read of the ranks low..high on its way to the cache."""
    level, first, _ = sampled(shard, low, high)
    if level != UNKNOWN:
        prefetch(shard.heads + layout(shard, LCPS + level) + first)


@inlined
def choose(shard: Table, text: Int, start: Int, stop: Int, level: Int, first: Int, last: Int) -> Int:
    """Which of the suffixes first..last of a level shares as much with text[start:stop] as any; UNKNOWN where
    that cannot be told."""
    if level == UNKNOWN:
        return np.int64(UNKNOWN)
    if last - first == 1:
        return first
    lcps = layout(shard, LCPS + level)
    touch_all(shard.heads_state, shard.heads, lcps + first + 1, lcps + last - 1)
    chosen, limit, parts = first, np.int64(UNKNOWN_LCP), False
    for number in range(first + 1, last):
        shared = np.int64(load_byte(shard.heads + lcps + number))
        if shared == UNKNOWN_LCP:
            return np.int64(UNKNOWN)
        if shared < limit and shared < FAR:
            place, parts = start + (shared >> 3), True
            byte = np.int64(load_byte(text + place)) if place < stop else np.int64(0)
            goes_on = (byte >> (7 - (shared & 7))) & 1
            chosen = number if goes_on else chosen
            limit = np.int64(UNKNOWN_LCP) if goes_on else shared
    return chosen if parts else np.int64(UNKNOWN)


@inlined
def run(shard: Table, level: Int, number: Int, first: Int, last: Int, bits: Int) -> tuple[Int, Int]:
    """Those of the suffixes first..last of a level that share so many bits, or FAR, with suffix `number`."""
    lcps, least = shard.heads + layout(shard, LCPS + level), min(bits, FAR)
    begin, end = number, number + 1
    while begin > first and load_byte(lcps + begin) >= least:
        begin -= 1
    while end < last and load_byte(lcps + end) >= least:
        end += 1
    return begin, end


@inlined
def shared_before(shard: Table, level: Int, number: Int) -> Int:
    """Bytes that suffix `number` of a level shares with the one before it, FAR bits at most."""
    return np.int64(load_byte(shard.heads + layout(shard, LCPS + level) + number)) >> 3


@inlined
def edge_of_run(shard: Table, rank: Int, size: Int, after: Int) -> tuple[Int, Int]:
    """Between which ranks those suffixes end (if `after`, else begin) that share `size` bytes with that of
    `rank`, if that is the first one sought (else the last); UNKNOWN where that cannot be told.

    It climbs the levels as long as neighbours share as much, and comes down again where they do not.
    """
    least, entries, levels = min(8 * size, FAR), tokens_of(shard, shard.size), layout(shard, LCP_LEVELS)
    place, level, climbing, step = rank, np.int64(0), True, 1 if after else -1
    for _ in range(STEPS_MAX if levels else 0):
        if climbing and level + 1 < levels and not place & (EACH - 1):
            level, place = level + 1, place >> LEVEL_SHIFT
            continue
        number, shared = place + after, np.int64(0)  # the pair to look at; with none nothing is shared
        if 0 < number <= (entries - 1) >> (LEVEL_SHIFT * level):
            lcps = layout(shard, LCPS + level)
            touch(shard.heads_state, shard.heads, lcps + number)
            shared = np.int64(load_byte(shard.heads + lcps + number))
        if shared >= least and shared != UNKNOWN_LCP:
            place += step
        elif level:
            climbing, level, place = False, level - 1, place << LEVEL_SHIFT
        elif shared == UNKNOWN_LCP:
            break
        elif 8 * size <= FAR:
            return place + after, place + after
        else:
            return (rank + 1, place + 1) if after else (place, rank)
    return np.int64(UNKNOWN), np.int64(UNKNOWN)
