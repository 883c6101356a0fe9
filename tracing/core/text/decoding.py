"""Bytes of tokens to text, with the characters that each token holds."""

import codecs
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


def decode_marked(pieces: Sequence[bytes], ranges: Sequence[tuple[int, int]]) -> tuple[str, Offsets]:
    """Text of the concatenated pieces, and the (start, end) characters of each range of pieces."""
    data = b"".join(pieces)
    if data.isascii():
        return data.decode("ascii"), [_bytes_of(pieces, *pair) for pair in ranges]
    bounds = sorted({0, len(pieces), *(k for pair in ranges for k in pair)})
    try:
        parts = [b"".join(pieces[start:stop]).decode() for start, stop in pairwise(bounds)]
    except UnicodeDecodeError:  # a range begins or ends inside a character, or the bytes are no text
        text, offsets = decode_tokens(pieces)
        return text, [(offsets[start][0], offsets[stop - 1][1]) for start, stop in ranges]
    places = dict(zip(bounds, accumulate(map(len, parts), initial=0), strict=True))
    return "".join(parts), [(places[start], places[stop]) for start, stop in ranges]


def _bytes_of(pieces: Sequence[bytes], start: int, stop: int) -> tuple[int, int]:
    """The bytes (start, stop) of a range of pieces in all of them together."""
    first = len(b"".join(pieces[:start]))
    return first, first + len(b"".join(pieces[start:stop]))


def whole_characters(pieces: Sequence[bytes], start: int, stop: int) -> tuple[int, int]:
    """start:stop without the pieces at either end that hold only a part of a character."""
    while start < stop and pieces[start][:1] and 0x80 <= pieces[start][0] < 0xC0:
        start += 1
    while start < stop and _ends_inside(pieces[stop - 1 :: -1][:4]):
        stop -= 1
    return start, stop


class GrowingText:
    """Text of tokens that arrive a few at a time; at any moment equal to `decode_tokens` of them all.

    The first `complete` characters will never change; behind them a character may be half there.
    """

    def __init__(self) -> None:
        self.text = ""
        self.offsets: Offsets = []
        self.complete = 0
        self._tail: list[bytes] = []  # the tokens since the text was last complete

    def extend(self, pieces: Sequence[bytes]) -> None:
        """Append tokens, given as their bytes."""
        first = len(self.offsets) - len(self._tail)
        self._tail += pieces
        text, offsets = decode_tokens(self._tail)
        self.text = self.text[: self.complete] + text
        self.offsets[first:] = [(start + self.complete, end + self.complete) for start, end in offsets]
        if not _ends_inside(self._tail[::-1]):
            self.complete, self._tail = len(self.text), []


def _ends_inside(backwards: Sequence[bytes]) -> bool:
    """Whether the text of these pieces, the last one first, ends within a character."""
    if backwards and backwards[0][-1:].isascii() and backwards[0]:
        return False
    if backwards and backwards[0][-1:] and backwards[0][-1] < 0x80:
        return False
    end = b"".join(backwards[::-1])[-3:]  # a character has at most 4 bytes
    return codecs.utf_8_decode(end, "replace", False)[1] < len(end)


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
