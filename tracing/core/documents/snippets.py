"""A few lines of a document around its matches."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np

from tracing.core.engines.engine import Excerpt, Window
from tracing.core.text.decoding import Offsets, decode_marked, whole_characters
from tracing.core.text.tokenizer import TextTokenizer

Margins = Mapping[tuple[int, int], Sequence[tuple[int, int]]]
"""By (start, stop) tokens: of each match in them, the bytes of the first and last token that are outside."""

CONTINUATION: Final = bytes(range(0x80, 0xC0))
ELLIPSIS: Final = "…"


class Snippet(NamedTuple):
    """Text around matches, and the (start, end) characters of each match in it, without outer space."""

    text: str
    matches: Offsets


def show_excerpts(
    excerpts: Sequence[Excerpt], tokenizer: TextTokenizer, margins: Sequence[Margins]
) -> list[Snippet]:
    """The text of the windows of each document; parts left out become an ellipsis.

    Matches that have `margins`, those of their document, are marked without them.
    """
    windows = [
        (window, own) for excerpt, own in zip(excerpts, margins, strict=True) for window in excerpt.windows
    ]
    parts = _decode_all(windows, tokenizer)
    return [_join(excerpt, parts) for excerpt in excerpts]


def _join(excerpt: Excerpt, parts: Iterator[Snippet]) -> Snippet:
    """The next parts, which are the windows of this document, as one text."""
    text, found, last = "", list[tuple[int, int]](), 0
    for window, part in zip(excerpt.windows, parts, strict=False):
        text += (ELLIPSIS if window.first else "") if not text else f" {ELLIPSIS} "
        found += [(a + len(text), b + len(text)) for a, b in part.matches]
        text, last = text + part.text, window.first + len(window.token_ids)
    return Snippet(text + (ELLIPSIS if last < excerpt.tokens else ""), found)


def _decode_all(windows: Sequence[tuple[Window, Margins]], tokenizer: TextTokenizer) -> Iterator[Snippet]:
    """Each window's text: looked up for all of them at once, since most are of single-byte characters, where
    the places of bytes are those of characters."""
    if not windows:
        return
    ids = np.concatenate([window.token_ids for window, _ in windows])
    data, begins = b"".join(tokenizer.stored_pieces(ids)), np.zeros(ids.size + 1, dtype=np.int64)
    np.cumsum(tokenizer.piece_bytes[ids], out=begins[1:])
    bounds, first = list[int](), 0
    for window, _ in windows:
        shift, stop = first - window.first, first + len(window.token_ids)
        bounds += (first, stop, *(bound + shift for match in window.matches for bound in match))
        first = stop
    places = iter(begins[bounds].tolist())
    for window, margins in windows:
        start, stop = next(places), next(places)
        matches = [(next(places) - start, next(places) - start) for _ in window.matches]
        part = data[start:stop]
        if margins or not part.isascii():
            yield _decode(window, tokenizer, margins)
        else:
            text = part.decode("ascii")
            yield Snippet(text, [_without_space(text, *match) for match in matches])


def _decode(window: Window, tokenizer: TextTokenizer, margins: Margins) -> Snippet:
    pieces = tokenizer.stored_pieces(window.token_ids)
    ranges = [(a - window.first, b - window.first) for a, b in window.matches]
    first, _ = whole_characters(pieces, 0, ranges[0][0])
    _, last = whole_characters(pieces, max(b for _, b in ranges), len(pieces))
    text, places = decode_marked(pieces[first:last], [(a - first, b - first) for a, b in ranges])
    inner = [
        without_margins(place, margin, pieces[slice(*tokens)])
        for match, tokens, place in zip(window.matches, ranges, places, strict=True)
        for margin in margins.get(match, [(0, 0)])
    ]
    return Snippet(text, [_without_space(text, *place) for place in inner])


def without_margins(
    place: tuple[int, int], margin: tuple[int, int], pieces: Sequence[bytes]
) -> tuple[int, int]:
    """The characters of a match without those of its first and last token that are not its own.

    `place` are the characters of all its tokens, `pieces` their bytes, of which the first margin[0] and the
    last margin[1] are outside; the match itself begins and ends between characters.
    """
    if margin == (0, 0):
        return place
    data, (start, end) = b"".join(pieces), place
    before, after = data[: margin[0]], data[len(data) - margin[1] :]
    begun = len(before) - len(before.lstrip(CONTINUATION))  # the end of a character that began earlier
    start += (begun > 0) + len(before[begun:].decode(errors="replace"))
    return start, max(start, end - len(after.decode(errors="replace")))


def _without_space(text: str, start: int, end: int) -> tuple[int, int]:
    inner = text[start:end]
    return start + len(inner) - len(inner.lstrip()), end - len(inner) + len(inner.rstrip())
