"""What a corpus asks of whatever searches its stores: our own kernels, another engine, another machine.

A row is one shard of a store. An engine serves the rows of one or more stores and numbers them from 0,
in the order in which it was given the stores.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from tracing.core.arrays import Longs
from tracing.core.matching.query import Query
from tracing.core.stores.manifest import Manifest
from tracing.core.stores.unigrams import Unigrams

Cancel = Callable[[], bool]


class Searched(Protocol):
    """A store as a corpus knows it, wherever it lies."""

    @property
    def manifest(self) -> Manifest: ...
    @property
    def unigrams(self) -> Unigrams: ...


class Ranges(NamedTuple):
    """Suffix-array ranges of n sequences: ranks lows..highs, each of shape [rows, n]; 0..0 for those that
    a row does not have."""

    lows: Longs
    highs: Longs

    @property
    def counts(self) -> Longs:
        """Occurrences in each row, shape [rows, n]."""
        counts: Longs = self.highs - self.lows
        return counts


@dataclass(frozen=True)
class Terms:
    """What BM25 scores by: the query's ids, each once, and the weight of each (inverse document frequency
    times its count in the query), both of shape [terms]; and the mean length of a document in tokens."""

    token_ids: Longs
    weights: NDArray[np.float64]
    mean_length: float


class Place(NamedTuple):
    """A document to be read: its tokens are the bytes start..stop of tokenized.N in `row`.

    `document` is its number in the store. `matches` are (byte position, length in tokens) of spans in it.
    """

    row: int
    document: int
    start: int
    stop: int
    matches: tuple[tuple[int, int], ...]


class Window(NamedTuple):
    """Tokens of a document from its token `first` on, and the (start, stop) tokens of the matches shown."""

    first: int
    token_ids: NDArray[Any]
    matches: tuple[tuple[int, int], ...]


class Excerpt(NamedTuple):
    """What was read of a document: the BM25 score of its best window, the surroundings of its matches,
    its length in tokens, and its own metadata."""

    score: float
    windows: tuple[Window, ...]
    tokens: int
    metadata: Mapping[str, Any]


class Engine(Protocol):
    """Searches some rows. Threads may share one; every call but `reading` is made inside `reading()`."""

    def reading(self) -> AbstractContextManager[None]:
        """Around every use: no result leaves it unless all that was read is sound (else StoreDamaged)."""
        ...

    def longest_matches(self, query: Query, cancelled: Cancel | None) -> Longs:
        """m(i): length of the longest prefix of query[i:] inside one document; shape [tokens]."""
        ...

    def find(
        self, query: Query, starts: Longs, stops: Longs, within: Ranges | None = None, known: int = 1
    ) -> Ranges:
        """Ranges of the sequences query[starts[n]:stops[n]], none of them empty.

        `within` are ranges whose suffixes all begin with the first `known` tokens of the sequence.
        """
        ...

    def locate(self, rows: Longs, ranks: Longs) -> Longs:
        """(position, document, start, stop) of each rank in its row, shape [ranks, 4].

        All but the document are bytes of tokenized.N; the document's number is the store's.
        """
        ...

    def read(self, places: Sequence[Place], terms: Terms) -> list[Excerpt]:
        """What is shown of these documents, and how well they fit `terms`."""
        ...
