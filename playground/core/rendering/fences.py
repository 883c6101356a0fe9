"""A block that is one fence, without Markdown's parser: of a long one that grows only the last part is new.

The HTML is the parser's own (tested): `end_of_fence` and `read_fence` know the fences that begin a line, and
leave all that is rarer to it.
"""

import re
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from playground.core.rendering.code import block, in_colour, in_part, language_of
from playground.core.rendering.colours import Piece, parts_of
from playground.core.rendering.marks import CLOSE, OPEN
from playground.core.rendering.paints import BLOCK_PREFIX, Paint

FIRST_LINE = re.compile(r"(?:(`{3,})([^`\n]*)|(~{3,})([^\n]*))(?:\n|\Z)")
RARE = ("\r", "\0", OPEN, CLOSE)
Stretch = tuple[int, int, Paint]
"""Characters [start, end) of a part that are painted; start is -1 where its paint began before the part."""


@dataclass(frozen=True)
class Fence:
    """A fence's code: characters [start, end) of its text. `closed_at`: where its last line ends."""

    language: str
    start: int
    end: int
    closed_at: int | None


def end_of_fence(text: str, start: int) -> int | None:
    """Where the fence that begins at a character ends: the text's end while it is open. None without one."""
    fence = find_fence(text, start)
    if fence is None:
        return None
    return len(text) if fence.closed_at is None else fence.closed_at


def find_fence(text: str, start: int = 0) -> Fence | None:
    first = FIRST_LINE.match(text, start)
    if first is None or text.find("\r", start) >= 0:
        return None
    marker, info = first[1] or first[3], first[2] or first[4] or ""
    may_end = first[0].endswith("\n") and text.find(marker, first.end()) >= 0  # the search takes its time
    last = closing_line(marker).search(text, first.end()) if may_end else None
    if last is None:
        return Fence(language_of(info), first.end(), len(text), None)
    return Fence(language_of(info), first.end(), last.start(), last.end())


@lru_cache(maxsize=64)
def closing_line(marker: str) -> re.Pattern[str]:
    return re.compile(rf"^ {{0,3}}{marker}{marker[0]}*[ \t]*(?:\n|\Z)", re.MULTILINE)


def read_fence(source: str) -> Fence | None:
    """The fence that a block is; None where it is none, or one for the parser."""
    if not source.startswith(("```", "~~~")) or any(character in source for character in RARE):
        return None
    fence = find_fence(source)
    if fence is None or any(marks in source[fence.start : fence.end] for marks in ("```", "~~~")):
        return None  # a paint may not begin or end in a line of the code that looks like a fence
    if fence.closed_at is not None:
        return fence
    last_line = source.rfind("\n", fence.start) + 1 or fence.start
    blank = not source[last_line:].strip(" \t")  # the parser leaves it out
    return Fence(fence.language, fence.start, last_line if blank else fence.end, None)


def fence_html(
    source: str, paints: Sequence[Paint], clean: Callable[[str], str], painted: Callable[[str, Paint], str]
) -> str | None:
    """A block's HTML with its paints; None where it is not one fence. `clean`, `painted`: Markdown's."""
    fence = read_fence(source)
    if fence is None:
        return None
    head, tail = frame(fence.language, clean)
    stretches = inside(fence, paints)
    ends = [end for _, end, _ in stretches]
    html, place = [head], fence.start
    for number, pieces in enumerate(parts_of(source[fence.start : fence.end], fence.language.lower())):
        size = sum(len(text) for _, text in pieces)
        own = []
        for start, end, paint in stretches[bisect_left(ends, place + 1) :]:
            if start >= place + size:
                break
            own.append((start - place if paint.start >= place else -1, min(end - place, size), paint))
        html.append(in_part(number, part_html(pieces, tuple(own), painted)))
        place += size
    return "".join([*html, tail])


@lru_cache(maxsize=256)
def frame(language: str, clean: Callable[[str], str]) -> tuple[str, str]:
    head, end, tail = clean(block("", language)).partition("</code>")
    return head, end + tail


def inside(fence: Fence, paints: Sequence[Paint]) -> list[Stretch]:
    """The paints cut to the code; the line end before a closing line stays as it is."""
    end = fence.end if fence.closed_at is None else fence.end - 1
    cut = [(max(paint.start, fence.start), min(paint.end, end), paint) for paint in paints]
    return [stretch for stretch in cut if stretch[0] < stretch[1]]


@lru_cache(maxsize=1024)
def part_html(
    pieces: tuple[Piece, ...], stretches: tuple[Stretch, ...], painted: Callable[[str, Paint], str]
) -> str:
    """One part's pieces, each cut where a stretch begins or ends."""
    text = "".join(piece for _, piece in pieces)
    cuts = [(behind_prefix(text, start, end), end, paint) for start, end, paint in stretches]
    html, begin = list[str](), 0
    ahead = iter([*cuts, (len(text), len(text), None)])
    start, end, paint = next(ahead)
    for kind, piece in pieces:
        stop, inner = begin + len(piece), list[str]()
        while begin < stop:
            while end <= begin and paint is not None:
                start, end, paint = next(ahead)
            lit = start <= begin and paint is not None
            upto = min(stop, end if lit else max(start, begin))
            upto = stop if upto <= begin else upto
            words = escaped(text[begin:upto])
            inner.append(painted(words, paint) if lit and paint else words)
            begin = upto
        html.append(in_colour(kind, "".join(inner)))
    return "".join(html)


def behind_prefix(text: str, start: int, end: int) -> int:
    """Where a stretch begins that begins in what may be a block's marker, as in any other text."""
    if start < 0:
        return 0
    prefix = BLOCK_PREFIX.match(text, text.rfind("\n", 0, start) + 1)
    return min(max(start, prefix.end() if prefix else start), end)


def escaped(text: str) -> str:
    """As the sanitiser writes it."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\xa0", "&nbsp;")
