"""Which tokens of a document are looked at: the window that is scored, the surroundings that are shown."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tracing.core.arrays import Longs
from tracing.core.engines.engine import Window

WINDOW_TOKENS: Final = 512
MARGIN_TOKENS: Final = 48  # shown on either side of a match
MATCH_TOKENS_MAX: Final = 384  # shown of a longer match
WINDOWS_MAX: Final = 3

Tokens = tuple[int, int]


def scored_windows(places: Longs, width: int) -> Longs:
    """Bytes (start, stop) of up to 512 tokens around each match of a document, the match in the middle.

    `places` are the bytes start..stop of the document, the match's position, also in bytes, and its length
    in tokens; shape [matches, 4]. A token has `width` bytes.
    """
    starts, stops, positions, lengths = places.T
    before = np.maximum(MARGIN_TOKENS, (WINDOW_TOKENS - lengths) // 2)
    firsts = np.maximum(starts, positions - before * width)
    return np.column_stack([firsts, np.minimum(stops, positions + (WINDOW_TOKENS - before) * width)])


def cut_windows(tokens: NDArray[Any], matches: Sequence[Tokens]) -> tuple[Window, ...]:
    """The tokens around `matches`, ranges of a document's `tokens`.

    Overlapping surroundings are joined; the first three are kept.
    """
    found = _surroundings(sorted(set(matches)), len(tokens))[:WINDOWS_MAX]
    return tuple([Window(start, tokens[start:stop], tuple(inside)) for start, stop, inside in found])


def _surroundings(matches: list[Tokens], tokens: int) -> list[tuple[int, int, list[Tokens]]]:
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
