"""What neighbouring suffixes share, a byte for each: it tells which one a search has to look at, and where
those end that begin alike, without reading any of them.

Suffixes in order form a binary trie: where two neighbours part, at the bit that their LCP names, one goes on
with 0 and the next with 1. Following the bits sought down this trie leads to a suffix that shares as much
with them as any: a blind search (Ferguson, "Bit-Tree: a data structure for fast file processing", 1992).
What neighbours share beyond FAR bits is not in the trie, nor where it is unknown: there searches go on by
halves.
"""

from typing import Final

import numpy as np

from tracing.core.matching.words import LCPS, Table, layout, tokens_of, touch, touch_all
from tracing.core.native import Int, inlined, load_byte
from tracing.core.stores.lcp import FAR, UNKNOWN_LCP

UNKNOWN: Final = -1
NARROW: Final = 16  # ranks among which one is chosen
WALK: Final = 64  # neighbours that are looked at before a search from the top is faster


@inlined
def choose(shard: Table, text: Int, start: Int, stop: Int, low: Int, high: Int) -> Int:
    """Which of the suffixes of the ranks low..high shares as much with text[start:stop] as any; UNKNOWN where
    that cannot be told."""
    lcps = layout(shard, LCPS)
    if lcps == 0 or high - low > NARROW:
        return np.int64(UNKNOWN)
    if high - low == 1:
        return low
    touch_all(shard.heads_state, shard.heads, lcps + low + 1, lcps + high - 1)
    chosen, limit, parts = low, np.int64(UNKNOWN_LCP), False
    for rank in range(low + 1, high):
        shared = np.int64(load_byte(shard.heads + lcps + rank))
        if shared == UNKNOWN_LCP:
            return np.int64(UNKNOWN)
        if shared < limit and shared < FAR:
            place, parts = start + (shared >> 3), True
            byte = np.int64(load_byte(text + place)) if place < stop else np.int64(0)
            goes_on = (byte >> (7 - (shared & 7))) & 1
            chosen = rank if goes_on else chosen
            limit = np.int64(UNKNOWN_LCP) if goes_on else shared
    return chosen if parts else np.int64(UNKNOWN)


@inlined
def run(shard: Table, rank: Int, low: Int, high: Int, bits: Int) -> tuple[Int, Int]:
    """The ranks first..last, within low..high, of the suffixes that share so many bits, or FAR, with that of
    `rank`."""
    lcps, first, last = shard.heads + layout(shard, LCPS), rank, rank + 1
    least = min(bits, FAR)
    while first > low and load_byte(lcps + first) >= least:
        first -= 1
    while last < high and load_byte(lcps + last) >= least:
        last += 1
    return first, last


@inlined
def shared_before(shard: Table, rank: Int) -> Int:
    """Bytes that the suffixes of rank - 1 and `rank` share, FAR bits at most."""
    return np.int64(load_byte(shard.heads + layout(shard, LCPS) + rank)) >> 3


@inlined
def bound(shard: Table, rank: Int, size: Int, after: Int) -> tuple[Int, Int]:
    """Between which ranks those suffixes end (if `after`, else begin) that share `size` bytes with that of
    `rank`, if that is the first one sought (else the last); UNKNOWN if it is too far to look."""
    lcps, bits = layout(shard, LCPS), 8 * size
    if lcps == 0:
        return np.int64(UNKNOWN), np.int64(UNKNOWN)
    step = 1 if after else -1
    place, end = rank + after, tokens_of(shard, shard.size) if after else np.int64(0)
    for _ in range(WALK):
        if place == end:
            break
        touch(shard.heads_state, shard.heads, lcps + place)
        shared = np.int64(load_byte(shard.heads + lcps + place))
        if shared == UNKNOWN_LCP:
            return np.int64(UNKNOWN), np.int64(UNKNOWN)
        if shared < min(bits, FAR):
            break
        place += step
    else:
        return np.int64(UNKNOWN), np.int64(UNKNOWN)
    if bits <= FAR:
        return place, place
    return (rank + 1, place) if after else (place, rank)
