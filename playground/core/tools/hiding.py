"""A model's text without the calls in it, for pages that show these in a box of their own."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate

from playground.core.rendering.paints import Paint
from playground.core.tools.parsing import parse, tag_begun
from training.core.functions import CALLS_CLOSE as CLOSE
from training.core.functions import CALLS_OPEN as OPEN

Range = tuple[int, int]


def without_calls(text: str, paints: Sequence[Paint], *, final: bool = True) -> tuple[str, list[Paint]]:
    """The text without its blocks of calls, and what is lit of the rest, moved along.

    A block that is no call stays, tags and all. With `final=False` the text still grows: what may yet become
    a call is left out too.
    """
    hidden = call_ranges(text, final=final)
    if not hidden:
        return text, list(paints)
    starts = [start for start, _ in hidden]
    gone_before = [0, *accumulate(end - start for start, end in hidden)]

    def moved(at: int) -> int:
        """Where a character of the text stands once the blocks are gone."""
        begun = bisect_right(starts, at)
        inside = max(0, hidden[begun - 1][1] - at) if begun else 0
        return at - gone_before[begun] + inside

    ends = [0, *(end for _, end in hidden)]
    kept = [text[end:start] for end, start in zip(ends, [*starts, len(text)], strict=True)]
    lit = [replace(paint, start=moved(paint.start), end=moved(paint.end)) for paint in paints]
    return "".join(kept), [paint for paint in lit if paint.start < paint.end]


def call_ranges(text: str, *, final: bool = True) -> list[Range]:
    """Where the blocks of calls are, tags included: characters [start, end)."""
    found, at = list[Range](), 0
    while (start := text.find(OPEN, at)) >= 0:
        close = text.find(CLOSE, start)
        at = close + len(CLOSE) if close >= 0 else len(text)
        block = text[start + len(OPEN) : close if close >= 0 else len(text)]
        if is_calls(block) or (close < 0 and not final):
            found.append((start, at))
    begun = 0 if final else tag_begun(text[at:])
    return [*found, (len(text) - begun, len(text))] if begun else found


def is_calls(block: str) -> bool:
    try:
        parse(block)
    except ValueError:
        return False
    return True
