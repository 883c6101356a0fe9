"""Maximal spans of a text in a corpus, and which of them to show."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tracing.core.cancelling import watched
from tracing.core.errors import InputError
from tracing.core.matching.corpus import Corpus, Ranges
from tracing.core.matching.query import Query
from tracing.core.text.layout import TextLayout

Piece = tuple[int, int]
"""Tokens [start, stop) of the text."""

MIN_TOKENS = 6
"""Shorter spans are not shown by default.

With digits as single tokens and a vocabulary of a few thousand, six tokens are about four words of
prose, or an equation ("7 + 8 = 15" has eight to ten): the shortest runs that say something. "carry 1."
and "so 85." have four and five, and a match of them is chance. Any longer and short docstring
sentences ("Return the absolute value of x.") would go unlit.
"""


@dataclass(frozen=True, kw_only=True)
class SpanOptions:
    """Which spans to show: the ceil(density x tokens) rarest of `min_tokens` or more; if `raw` all maximal
    ones of any length, and those of `min_tokens` or more that are matched on bytes only.

    InputError for a `min_tokens` below 1 or a density outside 0..1.
    """

    raw: bool = False
    min_tokens: int = MIN_TOKENS
    density: float = 0.05

    def __post_init__(self) -> None:
        if type(self.min_tokens) is not int or self.min_tokens < 1:
            raise InputError(f"min_tokens is {self.min_tokens!r}: give a whole number from 1.")
        if not isinstance(self.density, (int, float)) or not 0 <= self.density <= 1:
            raise InputError(f"density is {self.density!r}: give a share from 0 to 1.")


@dataclass(frozen=True)
class Span:
    """Tokens of the text that occur verbatim inside documents.

    `start`..`end` are characters, without white space around them unless raw. `count` is the number
    of occurrences over all stores, `stages` the same by stage; `log_probability` the sum of the
    tokens' unigram log-probabilities. `ranges` are the (low, high) ranks in each of the corpus's
    shards. `matched_on` says whether documents hold the same ids ("tokens") or only the same text
    ("bytes"): then counts are those of byte indexes alone, and `ranges` are in their shards. `relevance`
    is the best tier of its documents, which `documents` numbers in the trace.
    """

    token_start: int
    token_end: int
    start: int
    end: int
    text: str
    count: int
    log_probability: float
    stages: Mapping[str, int]
    ranges: tuple[tuple[int, int], ...]
    relevance: str | None = None
    documents: tuple[int, ...] = ()
    matched_on: str = "tokens"


def maximal_bounds(lengths: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where the maximal [i, i + m(i)) begin and end, given m: those that are not empty and reach further than
    the one before. Shapes [spans]."""
    ends = np.arange(lengths.size) + lengths
    further = lengths > 0
    further[1:] &= ends[1:] > ends[:-1]
    starts = np.flatnonzero(further)
    return starts, ends[starts]


def maximal_spans(lengths: NDArray[np.int64]) -> list[Piece]:
    """`maximal_bounds`, a pair each."""
    starts, stops = maximal_bounds(lengths)
    return list(zip(starts.tolist(), stops.tolist(), strict=True))


def candidates(layout: TextLayout, spans: Iterable[Piece], min_tokens: int) -> list[Piece]:
    """Pieces of the maximal spans between sentence ends and word boundaries, `min_tokens` long or more."""
    return [
        (start, stop)
        for span in watched(spans)
        for start, stop in (layout.pieces(*span) if span[1] - span[0] >= min_tokens else ())
        if stop - start >= min_tokens
    ]


def rarest(pieces: Iterable[Piece], sums: Sequence[float], keep: int) -> list[Piece]:
    """The `keep` pieces of lowest log-probability, in text order, none inside another.

    sums[k] is the log-probability of the first k tokens. Of equals the first is kept.
    """
    outer, reach = [], -1
    for start, stop in sorted(pieces, key=lambda piece: (piece[0], -piece[1])):
        if stop > reach:
            outer.append((start, stop))
            reach = stop
    return sorted(sorted(outer, key=lambda piece: (sums[piece[1]] - sums[piece[0]], piece))[:keep])


def rarest_of_both(
    pieces: Iterable[Piece], others: Iterable[Piece], sums: Sequence[float], keep: int
) -> tuple[list[Piece], list[Piece]]:
    """As `rarest` of two sorts of pieces together, except that one may lie inside one of the other sort."""
    sorts = [rarest(sort, sums, len(sums)) for sort in (pieces, others)]
    marked = [(piece, number) for number, sort in enumerate(sorts) for piece in sort]
    best = sorted(marked, key=lambda item: (sums[item[0][1]] - sums[item[0][0]], item))[:keep]
    first, second = (sorted(piece for piece, number in best if number == sort) for sort in (0, 1))
    return first, second


def kept(options: SpanOptions, tokens: int) -> int:
    """How many spans of a text of `tokens` to keep: ceil(density x tokens), rounding errors aside."""
    return math.ceil(options.density * tokens - 1e-9)


def build_spans(
    corpus: Corpus,
    query: Query,
    layout: TextLayout,
    pieces: Sequence[Piece],
    sums: Sequence[float],
    raw: bool,
) -> list[Span]:
    """The spans of these pieces, counted; to be called within `corpus.reading()`."""
    places = [layout.characters(*piece) if raw else layout.stripped(*piece) for piece in pieces]
    return count_pieces(corpus, query, layout.text, pieces, places, pieces, sums)


def count_pieces(
    corpus: Corpus,
    query: Query,
    text: str,
    pieces: Sequence[Piece],
    places: Sequence[Piece],
    searched: Sequence[Piece],
    sums: Sequence[float],
) -> list[Span]:
    """Spans of these pieces, at these characters, with the counts of query[start:stop] for `searched`."""
    bounds = np.array(searched, dtype=np.int64).reshape(-1, 2)
    ranges = corpus.find(query, np.ascontiguousarray(bounds[:, 0]), np.ascontiguousarray(bounds[:, 1]))
    return [
        _span(corpus, text, piece, place, sums[piece[1]] - sums[piece[0]], ranges, n)
        for n, (piece, place) in enumerate(zip(watched(pieces), places, strict=True))
    ]


def _span(
    corpus: Corpus, text: str, piece: Piece, place: Piece, log_probability: float, ranges: Ranges, n: int
) -> Span:
    lows, highs = ranges.lows[:, n], ranges.highs[:, n]
    return Span(
        *piece,
        *place,
        text=text[slice(*place)],
        count=int((highs - lows).sum()),
        log_probability=float(log_probability),
        stages=corpus.counts_by_stage(highs - lows),
        ranges=tuple(zip(lows.tolist(), highs.tolist(), strict=True)),
    )
