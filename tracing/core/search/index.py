"""What a search backend is asked to do. There are two: embedded/ (tantivy) and elastic/ (Elasticsearch)."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Final, Protocol

from tracing.core.search.passages import Passage
from tracing.core.search.query import Field, Query

SCHEMA: Final = 1
"""Number of the indexes' fields and words. An index with another number is passed over and built anew."""

DEEPEST: Final = 1200
"""How far down its results an index can be read."""

VALUES_MAX: Final = 1000
"""How many values of a field are counted."""


@dataclass(frozen=True)
class Hit:
    """A passage that matches: tokens start:stop of a document of the store with this digest."""

    store: str
    document: int
    passage: int
    start: int
    stop: int
    score: float


@dataclass(frozen=True)
class Hits:
    """Some of the hits in order, and how many there are in all."""

    hits: Sequence[Hit]
    total: int


@dataclass(frozen=True)
class Load:
    """The journal of a store's loading: its first `done` of `documents` can be searched, in `passages`."""

    store: str
    documents: int
    done: int = 0
    passages: int = 0

    @property
    def is_finished(self) -> bool:
        return self.done >= self.documents


class IndexWriter(Protocol):
    """Writes to one version of an index. Nothing can be searched before it is committed.

    Every method raises SearchUnavailable where the index cannot be written.
    """

    def loads(self) -> Mapping[str, Load]:
        """The journal of this version, by the stores' digests."""

    def add(self, passages: Sequence[Passage]) -> None:
        """Adds passages that the journal does not speak of yet."""

    def commit(self, load: Load) -> None:
        """Makes what was added searchable, and notes in the journal how far the store is loaded.

        A writer that is killed leaves the last commit; passages beyond it are added again by the next.
        """

    def remove(self, store: str) -> None:
        """Deletes a store's passages and its journal."""

    def publish(self) -> None:
        """Makes a version under construction the one that is searched, in one step, and deletes the old."""


class SearchIndex(Protocol):
    """Threads may share it. Every method raises SearchUnavailable where the index cannot be read."""

    name: str

    def search(self, query: Query, *, limit: int, offset: int = 0) -> Hits:
        """Hits `offset` to `offset + limit`, at most DEEPEST. Equal ones keep one order on every page."""

    def count_by(self, field: Field, query: Query) -> dict[str, int]:
        """How many hits each value of a field has."""

    def loads(self) -> Mapping[str, Load]:
        """The journal of the version that is searched."""

    def writer(self, *, rebuild: bool = False) -> AbstractContextManager[IndexWriter]:
        """Opens the version that is searched, or one under construction, for one writer at a time.

        A construction that was interrupted is continued.
        """
