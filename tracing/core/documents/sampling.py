"""Documents of a span, drawn from its ranges of ranks without ever listing them."""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import accumulate, starmap
from typing import NamedTuple

import numpy as np

from tracing.core.cancelling import watched
from tracing.core.matching.corpus import Corpus
from tracing.core.matching.spans import Span

DRAWS_A_DOCUMENT = 2  # occurrences drawn for each document wanted, since some are in the same one

DOCUMENTS_MAX = 10_000  # a trace with more would take a minute and 100 MB, and nobody reads as many


class Cover(NamedTuple):
    """The tokens of a document that hold a run of bytes, and how many bytes of the first of them come
    before it, and of the last one after it."""

    tokens: int
    before_bytes: int
    after_bytes: int


class Match(NamedTuple):
    """An occurrence of a span: in row `row` of the corpus, at byte `position` of its tokenized.N.

    The tokens of its document are the bytes start..stop there; `document` is its number in the store.
    `cover` are the document's tokens that hold it, where these are not the span's own.
    """

    span: int
    row: int
    position: int
    document: int
    start: int
    stop: int
    cover: Cover | None = None


def sample_matches(
    corpus: Corpus, spans: Sequence[Span], documents: int, seed: int, numbers: Sequence[int] | None = None
) -> list[Match]:
    """One match of each span in each of up to `documents` documents, the same for the same seed.

    Occurrences are drawn uniformly over all stores, twice as many as documents wanted; a span with no
    more than that has all of its documents. No more than DOCUMENTS_MAX are sampled for all spans together:
    of many spans each gets its share, of more than that the first ones get one each. Matches name their
    spans by `numbers`, by default by the place in `spans`.
    """
    spans = spans[:DOCUMENTS_MAX]
    documents = min(documents, DOCUMENTS_MAX // max(1, len(spans)))
    generator = np.random.default_rng(seed)
    names = range(len(spans)) if numbers is None else numbers
    drawn = [
        (name, *place)
        for name, span in zip(names, watched(spans), strict=False)
        for place in _draw(span, DRAWS_A_DOCUMENT * documents, generator)
    ]
    places = np.array(drawn, dtype=np.int64).reshape(-1, 3)
    found = corpus.locate(np.ascontiguousarray(places[:, 1]), np.ascontiguousarray(places[:, 2]))
    matches = starmap(Match, np.column_stack([places[:, :2], found]).tolist())
    return _first_of_each_document(matches, documents)


def _draw(span: Span, occurrences: int, generator: np.random.Generator) -> list[tuple[int, int]]:
    """(row, rank) of up to so many occurrences of the span, without repeats."""
    ends = list(accumulate(high - low for low, high in span.ranges))
    total = ends[-1] if ends else 0
    if total <= occurrences:
        return [(row, rank) for row, bounds in enumerate(span.ranges) for rank in range(*bounds)]
    numbers = dict.fromkeys(generator.integers(0, total, occurrences).tolist())
    rows = [(bisect_right(ends, number), number) for number in watched(numbers)]
    return [(row, span.ranges[row][1] + number - ends[row]) for row, number in rows]


def _first_of_each_document(matches: Iterable[Match], documents: int) -> list[Match]:
    """The first match of each span in each document, for at most `documents` documents a span."""
    kept: dict[tuple[int, int, int], Match] = {}
    per_span: dict[int, int] = {}
    for match in watched(matches):
        span, row, _, document, *_ = match
        if per_span.get(span, 0) < documents and kept.setdefault((span, row, document), match) is match:
            per_span[span] = per_span.get(span, 0) + 1
    return list(kept.values())
