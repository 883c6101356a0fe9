"""Stretches of a Markdown text to be painted: where their marks may stand without changing how it parses."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from playground.core.rendering.marks import CLOSE, OPEN, strip_marks

# A list, heading or quote marker must stay the first thing on its line.
BLOCK_PREFIX = re.compile(r"[ \t]*(?:(?:#{1,6}|[-*+]|\d{1,9}[.)]|>|\|)[ \t]*)*")
FENCE = re.compile(r"(?:`{3,}|~{3,})[^\n]*\n?")
WORD = re.compile(r"[^\W_]+")
EDGE_WORDS = 4
"""So many words at each edge of a paint are looked at one by one, where the whole of it cannot be painted."""
PARSED_CHARACTERS = 1_000_000
"""So much is parsed at most to find the paints of one block that would change what it says."""


@dataclass(frozen=True)
class Paint:
    """A stretch of text to paint: [start, end) in characters, its address and its CSS class.

    Paints of one text do not overlap and are in order.
    """

    start: int
    end: int
    href: str
    css_class: str
    label: str = ""


class Harmless:
    """Finds the paints whose marks leave the parse of `text` as it is; `html_of` parses.

    Where there are too many that do not, the rest stays unpainted: a page waits for it.
    """

    def __init__(self, text: str, html_of: Callable[[str], str]) -> None:
        self.text, self._parsed = text, html_of
        self.plain = html_of(text)
        self._last: tuple[list[Paint], str] = [], self.plain
        self._tries_left = max(8, PARSED_CHARACTERS // (len(text) + 1))

    def of(self, paints: Sequence[Paint]) -> list[Paint]:
        """By halves; of a paint that would change something, the words in it that would not."""
        kept: list[Paint] = []
        for paint, alone in self._by_halves(paints):
            kept += [paint] if alone else self._words_of(paint)
        return kept if kept and self._leaves_as_is(kept) else []

    def _by_halves(self, paints: Sequence[Paint]) -> list[tuple[Paint, bool]]:
        """Each paint, and whether it can be painted; those that nobody had the time to try are left out."""
        if not paints or not self._tries_left:
            return []
        if self._leaves_as_is(paints):
            return [(paint, True) for paint in paints]
        middle = len(paints) // 2
        if not middle:
            return [(paints[0], False)]
        return [*self._by_halves(paints[:middle]), *self._by_halves(paints[middle:])]

    def _words_of(self, paint: Paint) -> list[Paint]:
        words = words_of(self.text, paint)
        found = [word for word, harmless in self._by_halves(words) if harmless]
        whole = joined(words, found)
        return whole if len(whole) < len(found) and self._leaves_as_is(whole) else found

    def html_of(self, paints: Sequence[Paint]) -> str:
        """The text's HTML with the marks of some paints in it."""
        if list(paints) != self._last[0]:
            self._last = list(paints), self._parsed(marked(self.text, paints))
        return self._last[1]

    def _leaves_as_is(self, tried: Sequence[Paint]) -> bool:
        self._tries_left -= 1
        html = self.html_of(tried)
        return html.count(OPEN) == len(tried) and strip_marks(html) == self.plain


def words_of(text: str, paint: Paint) -> list[Paint]:
    """The words at both edges of a paint, and all that stands between those as one."""
    places = [match.span() for match in WORD.finditer(text, paint.start, paint.end)]
    if len(places) > 2 * EDGE_WORDS:
        first, last = places[EDGE_WORDS], places[-EDGE_WORDS - 1]
        places = [*places[:EDGE_WORDS], (first[0], last[1]), *places[-EDGE_WORDS:]]
    return [replace(paint, start=start, end=end) for start, end in places]


def joined(words: Sequence[Paint], found: Sequence[Paint]) -> list[Paint]:
    """The words that were found; those between which no other was are one."""
    stretches: list[Paint] = []
    before = None
    for word in words:
        if word in found and before in found:
            stretches[-1] = replace(stretches[-1], end=word.end)
        elif word in found:
            stretches.append(word)
        before = word
    return stretches


def marked(text: str, paints: Iterable[Paint]) -> str:
    """`text` with one character before and one after each paint, past any block marker at a line's start."""
    pieces, done = [], 0
    for paint in paints:
        start = after_block_prefix(text, paint.start, paint.end)
        end = max(start, before_fence(text, paint.end))
        pieces += [text[done:start], OPEN, text[start:end], CLOSE]
        done = end
    return "".join([*pieces, text[done:]])


def after_block_prefix(text: str, start: int, end: int) -> int:
    line_start = text.rfind("\n", 0, start) + 1
    match = BLOCK_PREFIX.match(text, line_start)
    prefix_end = match.end() if match else start
    fence = FENCE.match(text, prefix_end)
    return min(max(start, fence.end() if fence else prefix_end), end)


def before_fence(text: str, end: int) -> int:
    """Where a paint ends that would end in the line of a code block's fence: with the line before it."""
    line_start = text.rfind("\n", 0, end) + 1
    match = BLOCK_PREFIX.match(text, line_start)
    return max(line_start - 1, 0) if FENCE.match(text, match.end() if match else line_start) else end
