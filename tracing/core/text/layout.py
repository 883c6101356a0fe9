"""Where a text lets spans begin, end and be cut, token by token."""

import re
import unicodedata
from bisect import bisect_left, bisect_right
from functools import lru_cache
from itertools import pairwise
from typing import Final

from tracing.core.cancelling import watched
from tracing.core.text.decoding import Offsets

CLOSERS: Final = "\"')\\]}”’»」』）"
BREAK: Final = re.compile(rf"[.!?…]+[{CLOSERS}]*(?=\s|$)|[。！？]+[{CLOSERS}]*|[\n\r]")
"""Ends of sentences, their closing quotes included, and line breaks."""

ENDERS: Final = frozenset(".!?…。！？" + CLOSERS.replace("\\", ""))
UNSPACED: Final = re.compile(
    "[\u0e00-\u0eff\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
)
"""Thai, Lao, Khmer, kana, Han: written without spaces, so every character may begin a word."""


class TextLayout:
    """What the spans of a text must respect; `update` follows a text that grows.

    Tokens before `settled` keep their places whatever comes after them.
    """

    def __init__(self) -> None:
        self.text, self.settled = "", 0
        self._starts: list[int] = []  # characters where tokens start, and end
        self._ends: list[int] = []
        self._blank: list[bool] = []  # tokens of white space, and tags
        self._edges: list[bool] = []  # edges[k]: token k begins where a word may begin, or end
        self._cuts: list[int] = []  # no span runs over the start of these tokens

    def update(self, text: str, offsets: Offsets, markup: list[bool], complete: int) -> None:
        """The text is now this, of tokens with these characters; markup[k] for tokens that are tags.

        All but the text after its first `complete` characters is final, and continues the last update.
        """
        first, self.text = self.settled, text
        for values in (self._starts, self._ends, self._blank, self._edges):
            del values[first:]
        self._starts += [start for start, _ in offsets[first:]]
        self._ends += [end for _, end in offsets[first:]]
        blank = (not text[a:b].strip() for a, b in watched(offsets[first:]))
        self._blank += [tag or space for tag, space in zip(markup[first:], blank, strict=True)]
        self._edges += [self._is_edge(k) for k in watched(range(first, len(offsets) + 1))]
        self._cut(first, markup)
        self.settled = self._settle(first, complete)

    @property
    def tokens(self) -> int:
        """Number of tokens of the text."""
        return len(self._starts)

    def pieces(self, start: int, stop: int) -> list[tuple[int, int]]:
        """Tokens start:stop cut at sentence ends, line breaks and tags, trimmed to whole words."""
        inside = self._cuts[bisect_right(self._cuts, start) : bisect_left(self._cuts, stop)]
        trimmed = (self._trim(a, b) for a, b in pairwise([start, *inside, stop]))
        return [(a, b) for a, b in trimmed if a < b]

    def characters(self, start: int, stop: int) -> tuple[int, int]:
        """The characters of tokens start:stop (at least one token)."""
        return self._starts[start], max(self._starts[start], self._ends[stop - 1])

    def stripped(self, start: int, stop: int) -> tuple[int, int]:
        """The characters of tokens start:stop, without white space around them."""
        first, last = self.characters(start, stop)
        inner = self.text[first:last]
        return first + len(inner) - len(inner.lstrip()), last - len(inner) + len(inner.rstrip())

    def _trim(self, start: int, stop: int) -> tuple[int, int]:
        while start < stop and (self._blank[start] or not self._edges[start]):
            start += 1
        while start < stop and (self._blank[stop - 1] or not self._edges[stop]):
            stop -= 1
        return start, stop

    def _is_edge(self, token: int) -> bool:
        """Whether token `token` starts (or, after the last one, the text ends) between two words."""
        if token == 0 or token == len(self._starts):
            return True
        place = self._starts[token]
        if self._ends[token - 1] > place:  # inside a character
            return False
        return place in (0, len(self.text)) or not _within_word(self.text[place - 1], self.text[place])

    def _cut(self, first: int, markup: list[bool]) -> None:
        """Find the cuts from token `first` on."""
        del self._cuts[bisect_right(self._cuts, first) :]
        place = self._starts[first] if first < len(self._starts) else len(self.text)
        found = {
            token
            for match in watched(BREAK.finditer(self.text, place))
            for token in self._cuts_at(match.end())
        }
        for token in watched(range(first, len(markup))):
            if markup[token]:
                found |= {token, token + 1}
        self._cuts += sorted(found.difference(self._cuts))

    def _cuts_at(self, place: int) -> list[int]:
        """The tokens before which to cut, for a break that ends at character `place`."""
        after = bisect_left(self._starts, place)
        if after == 0:
            return []
        tears = self._ends[after - 1] > place and self.text[place : self._ends[after - 1]].strip()
        return [after - 1, after] if tears else [after]

    def _settle(self, first: int, complete: int) -> int:
        """The last token before which, and at which, nothing can change any more; at least `first`."""
        for token in range(len(self._starts) - 1, first, -1):
            place = self._starts[token]
            known = self._ends[token] <= complete and place < self._ends[token]
            if known and self._ends[token - 1] == place > 0 and self.text[place - 1] not in ENDERS:
                return token
        return first


@lru_cache(maxsize=1 << 14)  # the same few pairs of characters come again and again
def _within_word(before: str, after: str) -> bool:
    """Whether two neighbouring characters belong to one word."""
    if not (before.isalnum() or before == "_"):
        return False
    if not (after.isalnum() or after == "_" or unicodedata.combining(after)):
        return False
    return not (UNSPACED.match(before) or UNSPACED.match(after))
