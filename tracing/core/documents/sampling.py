"""Documents of a span, drawn from its ranges of ranks without ever listing them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

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


@dataclass(frozen=True)
class Match:
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
    draws = [_draw(span, DRAWS_A_DOCUMENT * documents, generator) for span in watched(spans)]
    named = np.arange(len(spans)) if numbers is None else np.array(numbers[: len(spans)], dtype=np.int64)
    spans_drawn = np.repeat(named, np.array([len(drawn) for drawn in draws], dtype=np.int64))
    rows, ranks = np.concatenate([np.empty((0, 2), dtype=np.int64), *draws]).T
    found = corpus.locate(rows, ranks)
    matches = [Match(*values) for values in watched(np.column_stack([spans_drawn, rows, found]).tolist())]
    return _first_of_each_document(matches, documents)


def _draw(span: Span, occurrences: int, generator: np.random.Generator) -> NDArray[np.int64]:
    """(row, rank) of some occurrences of the span, without repeats; shape [up to `occurrences`, 2]."""
    sizes = np.array([high - low for low, high in span.ranges])
    ends, total = np.cumsum(sizes), int(sizes.sum())
    if total <= occurrences:
        numbers = np.arange(total)
    else:
        drawn = generator.integers(0, total, occurrences)
        numbers = drawn[np.sort(np.unique(drawn, return_index=True)[1])]
    rows = np.searchsorted(ends, numbers, side="right")
    lows = np.array([low for low, _ in span.ranges])
    return np.stack([rows, lows[rows] + numbers - (ends - sizes)[rows]], axis=1)


def _first_of_each_document(matches: Sequence[Match], documents: int) -> list[Match]:
    """The first match of each span in each document, for at most `documents` documents a span."""
    kept: dict[tuple[int, int, int], Match] = {}
    per_span: dict[int, int] = {}
    for match in watched(matches):
        key = (match.span, match.row, match.document)
        if key not in kept and per_span.get(match.span, 0) < documents:
            kept[key] = match
            per_span[match.span] = per_span.get(match.span, 0) + 1
    return list(kept.values())
