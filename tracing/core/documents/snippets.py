"""A few lines of a document around its matches."""

from dataclasses import dataclass
from typing import Any, Final

from numpy.typing import NDArray

from tracing.core.text.decoding import Offsets, decode_marked, whole_characters
from tracing.core.text.tokenizer import TextTokenizer

MARGIN_TOKENS: Final = 48  # shown on either side of a match
MATCH_TOKENS_MAX: Final = 384  # shown of a longer match
WINDOWS_MAX: Final = 3
ELLIPSIS: Final = "…"

Tokens = tuple[int, int]


@dataclass(frozen=True)
class Snippet:
    """Text around matches, and the (start, end) characters of each match in it, without outer space."""

    text: str
    matches: Offsets


def cut_snippet(tokens: NDArray[Any], matches: list[Tokens], tokenizer: TextTokenizer) -> Snippet:
    """The text around `matches`, ranges of a document's `tokens`; parts left out become an ellipsis.

    Overlapping surroundings are joined; the first three are shown.
    """
    text, found = "", []
    for start, stop, inside in _windows(sorted(set(matches)), len(tokens))[:WINDOWS_MAX]:
        part = _decode(tokens, start, stop, inside, tokenizer)
        text += (ELLIPSIS if start else "") if not text else f" {ELLIPSIS} "
        found += [(a + len(text), b + len(text)) for a, b in part.matches]
        text, last = text + part.text, stop
    return Snippet(text + (ELLIPSIS if last < len(tokens) else ""), found)


def _windows(matches: list[Tokens], tokens: int) -> list[tuple[int, int, list[Tokens]]]:
    """Surroundings (start, stop) and the matches that each shows, in order."""
    windows: list[tuple[int, int, list[Tokens]]] = []
    for start, stop in matches:
        shown = (start, min(stop, start + MATCH_TOKENS_MAX))
        first, last = max(0, start - MARGIN_TOKENS), min(tokens, shown[1] + MARGIN_TOKENS)
        if windows and first <= windows[-1][1]:
            before = windows.pop()
            windows.append((before[0], max(before[1], last), [*before[2], shown]))
        else:
            windows.append((first, last, [shown]))
    return windows


def _decode(
    tokens: NDArray[Any], start: int, stop: int, matches: list[Tokens], tokenizer: TextTokenizer
) -> Snippet:
    pieces = tokenizer.stored_pieces(tokens[start:stop])
    ranges = [(a - start, b - start) for a, b in matches]
    first, _ = whole_characters(pieces, 0, ranges[0][0])
    _, last = whole_characters(pieces, max(b for _, b in ranges), len(pieces))
    text, places = decode_marked(pieces[first:last], [(a - first, b - first) for a, b in ranges])
    return Snippet(text, [_without_space(text, *place) for place in places])


def _without_space(text: str, start: int, end: int) -> tuple[int, int]:
    inner = text[start:end]
    return start + len(inner) - len(inner.lstrip()), end - len(inner) + len(inner.rstrip())
