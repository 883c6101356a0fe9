"""Eight bytes of a file at a time, at any places."""

from typing import Final

import numpy as np

from tracing.core.arrays import Bytes, Longs, Words

WORD_BYTES: Final = 8


def words_at(data: Bytes, starts: Longs) -> Words:
    """The eight bytes from each of these places on as big-endian numbers, zeros after the end of `data`."""
    found = np.zeros(starts.size, dtype=np.uint64)
    inside = starts <= data.size - WORD_BYTES
    if inside.any():
        every = np.ndarray(data.size - WORD_BYTES + 1, dtype=">u8", buffer=data, strides=(1,))
        found[inside] = every[starts[inside]]
    for place in np.flatnonzero(~inside).tolist():
        rest = data[starts[place] : starts[place] + WORD_BYTES].tobytes()
        found[place] = int.from_bytes(rest.ljust(WORD_BYTES, b"\0"), "big")
    return found


def pointers_of(words: Words, width_bytes: int) -> Longs:
    """The little-endian pointers of so many bytes that these words begin with."""
    mask = np.uint64((1 << 8 * width_bytes) - 1)
    positions: Longs = (words.byteswap() & mask).astype(np.int64)
    return positions
