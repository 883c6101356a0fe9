"""How many bits each suffix of a shard shares with the one before it in the table's order: its LCP array
(longest common prefix), a byte an entry, cut off where it is far."""

from typing import Final

import numpy as np

from tracing.core.arrays import Bytes
from tracing.core.native import Int, compiled, inlined, leading_zeros, load_pointer, prefetch, word_at
from tracing.core.stores.words import WORD_BYTES

FAR: Final = 254  # as many bits, or more
UNKNOWN_LCP: Final = 255  # one of the two suffixes is the beginning of the other, at the end of the data
FAR_BYTES: Final = 32
LEVEL_SHIFT: Final = 4  # from a level to the one above, each sixteenth
LCP_LEVELS_MAX: Final = 8
AHEAD: Final = 16  # suffixes that are on their way from memory


def level_sizes(entries: int) -> list[int]:
    """Bytes of each level of LCPs of so many suffixes, the lowest first; the highest has sixteen at most."""
    sizes = [entries]
    while sizes[-1] > 1 << LEVEL_SHIFT:
        sizes.append(-(-sizes[-1] >> LEVEL_SHIFT))
    return sizes


def lcp_levels(lcps: Bytes) -> list[Bytes]:
    """All levels: byte k of one is what the suffixes 16k and 16(k - 1) of the level below share, the least of
    what lies between."""
    levels = [lcps]
    for size in level_sizes(lcps.size)[1:]:
        below = np.full(size << LEVEL_SHIFT, FAR, dtype=np.uint8)
        below[: levels[-1].size - 1] = levels[-1][1:]
        groups = below.reshape(size, -1)
        level = np.zeros(size, dtype=np.uint8)
        shared = np.where(groups.max(axis=1) == UNKNOWN_LCP, UNKNOWN_LCP, groups.min(axis=1))
        level[1:] = shared[:-1]
        levels.append(level)
    return levels


@compiled
def fill_lcps(data: Bytes, table: Bytes, pointer: int, first: int, lcps: Bytes) -> bool:
    """lcps[n] = what the suffixes of ranks first + n - 1 and first + n share; 0 for rank 0, which has none
    before it. False where `table`, of `pointer` bytes an entry, points outside `data`."""
    own, ranks, entries = data.ctypes.data, table.ctypes.data, table.size // pointer
    before = load_pointer(ranks + max(first - 1, 0) * pointer, pointer)
    if before < 0 or before >= data.size:
        return False
    for rank in range(first, first + lcps.size):
        prefetch(own + load_pointer(ranks + min(rank + AHEAD, entries - 1) * pointer, pointer))
        position = load_pointer(ranks + rank * pointer, pointer)
        if position < 0 or position >= data.size:
            return False
        lcps[rank - first] = _shared_bits(own, data.size, before, position) if rank else 0
        before = position
    return True


@inlined
def _shared_bits(data: Int, size: Int, one: Int, other: Int) -> Int:
    """What two suffixes share, FAR or UNKNOWN_LCP."""
    found, most = np.int64(FAR), 8 * (size - max(one, other))
    for shared in range(0, FAR_BYTES, WORD_BYTES):
        bits = leading_zeros(word_at(data, size, one + shared) ^ word_at(data, size, other + shared))
        if bits < 8 * WORD_BYTES:
            found = min(found, 8 * shared + bits)
            break
    return np.int64(UNKNOWN_LCP) if found >= most else found
