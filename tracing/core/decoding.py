"""Bytes of tokens to text, with the characters that each token holds."""

from collections.abc import Sequence
from itertools import accumulate, pairwise

import numpy as np
from numpy.typing import NDArray

Offsets = list[tuple[int, int]]


def decode_tokens(pieces: Sequence[bytes]) -> tuple[str, Offsets]:
    """Text of the concatenated pieces, and the (start, end) characters of each.

    A character split over tokens belongs to each of them. Bytes that are no UTF-8 become U+FFFD, as
    Python's "replace" does. An empty piece is (n, n), n being the characters begun before it.
    """
    data = b"".join(pieces)
    stops = list(accumulate(map(len, pieces), initial=0))
    if data.isascii():
        return data.decode("ascii"), list(pairwise(stops))
    text, begins = _decode(data)
    begun = np.concatenate([[0], np.cumsum(begins)])  # characters begun before each byte
    ends = begun[stops]
    firsts = begun[np.minimum(np.add(stops[:-1], 1), len(data))] - 1  # character of each piece's first byte
    starts = np.where(np.diff(stops) > 0, firsts, ends[:-1])
    return text, list(zip(starts.tolist(), ends[1:].tolist(), strict=True))


def _decode(data: bytes) -> tuple[str, NDArray[np.bool_]]:
    """The text, and for each byte whether a character begins there."""
    begins = (np.frombuffer(data, dtype=np.uint8) & 0xC0) != 0x80
    parts, position, view = [], 0, memoryview(data)
    while True:
        try:
            parts.append(str(view[position:], "utf-8"))
            return "".join(parts), begins
        except UnicodeDecodeError as error:
            start, stop = position + error.start, position + error.end
            parts += [str(view[position:start], "utf-8"), "\ufffd"]
            begins[start], begins[start + 1 : stop] = True, False
            position = stop
