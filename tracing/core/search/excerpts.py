"""The lines of a passage that are shown for a hit, its words marked by offset, and where they stand."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tracing.core.search.index import Hit
from tracing.core.search.passages import readable_pieces
from tracing.core.search.query import Phrase, Query
from tracing.core.search.words import located_words
from tracing.core.stores.store import TokenStore
from tracing.core.text.decoding import Offsets, decode_tokens
from tracing.core.text.tokenizer import TextTokenizer

EXCERPT_CHARACTERS: Final = 360
BEFORE_CHARACTERS: Final = 80
WORD_CHARACTERS: Final = 40
MARKS_MAX: Final = 50
ELLIPSIS: Final = "…"


@dataclass(frozen=True)
class Excerpt:
    """Text of a passage with the (start, end) characters of the query's words in it.

    Tokens start:stop of the document hold the first of them; where none is marked, the passage begins at
    `start`, and `start == stop`.
    """

    text: str
    matches: Offsets
    start: int
    stop: int


def cut_excerpt(store: TokenStore, hit: Hit, tokenizer: TextTokenizer, query: Query) -> Excerpt:
    """The part of a hit's passage where most of the query's phrases stand. Raises StoreError."""
    tokens = store.token_ids(hit.document)[hit.start : hit.stop]
    text, offsets = decode_tokens(readable_pieces(tokens, tokenizer))
    marks = marks_of(text, query.phrases)
    first, last = _window(text, marks)
    shown = [(a, b) for a, b, _ in marks if first <= a and b <= last]
    start, stop = _tokens(offsets, *shown[0]) if shown else (0, 0)
    head = ELLIPSIS if first or hit.start else ""
    tail = ELLIPSIS if last < len(text) else ""
    moved = [(a - first + len(head), b - first + len(head)) for a, b in _merged(shown)]
    return Excerpt(head + text[first:last] + tail, moved, hit.start + start, hit.start + stop)


def marks_of(text: str, phrases: Sequence[Phrase]) -> list[tuple[int, int, Phrase]]:
    """Where the phrases stand in the text: (start, end) characters and which, in order."""
    words = located_words(text)
    by_first: dict[str, list[Phrase]] = {}
    for phrase in phrases:
        by_first.setdefault(phrase[0], []).append(phrase)
    marks = []
    for place, (word, start, _) in enumerate(words):
        for phrase in by_first.get(word, ()):
            last = place + len(phrase)
            if tuple(other for other, _, _ in words[place:last]) == phrase:
                marks.append((start, words[last - 1][2], phrase))
    return sorted(marks)


def _window(text: str, marks: list[tuple[int, int, Phrase]]) -> tuple[int, int]:
    """The characters to show: from a little before the mark that most other phrases follow closely."""
    start, end = _densest(marks)
    first = max(0, start - BEFORE_CHARACTERS)
    while 0 < first < start and not text[first - 1].isspace():
        first += 1
    last = min(len(text), max(end, first + EXCERPT_CHARACTERS))
    spaces = (place for place in range(last, max(end, last - WORD_CHARACTERS), -1) if text[place].isspace())
    return first, last if last == len(text) else next(spaces, last)


def _densest(marks: list[tuple[int, int, Phrase]]) -> tuple[int, int]:
    best, most = (0, 0), 0
    for place, (start, end, _) in enumerate(marks):
        following = marks[place : place + MARKS_MAX]
        near = {phrase for _, stop, phrase in following if stop <= start + EXCERPT_CHARACTERS}
        if len(near) > most or not most:
            best, most = (start, end), max(1, len(near))
    return best


def _merged(marks: Offsets) -> Offsets:
    """Overlapping marks joined."""
    merged: Offsets = []
    for start, end in marks:
        if merged and start < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def _tokens(offsets: Offsets, start: int, end: int) -> tuple[int, int]:
    """The tokens that hold these characters."""
    first = bisect_right([b for _, b in offsets], start)
    last = first
    while last < len(offsets) and offsets[last][0] < end:
        last += 1
    return first, last
