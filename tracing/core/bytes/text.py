"""A text as bytes: where its characters and tokens lie, and which of them a run of bytes holds whole."""

import numpy as np

from tracing.core.arrays import Longs
from tracing.core.cancelling import watched
from tracing.core.text.layout import TextLayout


class ByteText:
    """The UTF-8 bytes of a laid-out text."""

    def __init__(self, layout: TextLayout) -> None:
        data = layout.text.encode("utf-8", "replace")
        self.bytes = np.frombuffer(data, dtype=np.uint8)
        begins = (self.bytes & 0xC0) != 0x80
        self._begun = np.concatenate([[0], np.cumsum(begins)])  # characters begun before each byte
        self._begins = np.append(begins, True)
        self._places = np.append(np.flatnonzero(begins), self.bytes.size)  # byte of each character
        self._firsts, self._lasts = _inner(layout)

    def tokens_inside(self, starts: Longs, stops: Longs) -> tuple[Longs, Longs]:
        """The tokens first..last that lie in each run of bytes, white space around them left aside."""
        first_characters = self._begun[starts]  # one that began before the run counts, and is left out
        cut = ~self._begins[stops]
        last_characters = self._begun[stops] - cut
        first = np.searchsorted(self._firsts, first_characters, side="left")
        return first, np.searchsorted(self._lasts, last_characters, side="right")

    def bytes_of(self, start: int, stop: int) -> tuple[int, int]:
        """The bytes of characters start..stop."""
        return int(self._places[start]), int(self._places[stop])


def _inner(layout: TextLayout) -> tuple[Longs, Longs]:
    """Where each token's characters begin and end without white space around them; both rise.

    A token of nothing but white space begins at its end and ends at its beginning: it lies in every run
    that its neighbours lie in.
    """
    firsts, lasts = [], []
    for token in watched(range(layout.tokens)):
        start, stop = layout.characters(token, token + 1)
        inner = layout.text[start:stop]
        firsts.append(stop - len(inner.lstrip()))
        lasts.append(start + len(inner.rstrip()))
    return np.array(firsts, dtype=np.int64), np.array(lasts, dtype=np.int64)
