"""A store that lies on another machine, and the engine that searches such stores by asking their nodes."""

import contextvars
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cached_property
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from tracing.core.arrays import Longs
from tracing.core.engines.engine import Cancel, Excerpt, Place, Ranges, Terms
from tracing.core.errors import InputError, StoreMissing, Unanswered
from tracing.core.matching.query import Query
from tracing.core.nodes.answers import (
    OTHER_VERSION,
    Ask,
    Question,
    Whole,
    checked_array,
    checked_excerpts,
    checked_wholes,
)
from tracing.core.stores.manifest import Manifest
from tracing.core.stores.store import TokenStore
from tracing.core.stores.unigrams import Unigrams

LIMIT_S: Final = 5.0
LENGTHS_ASKED: Final = 1 << 20
"""Documents whose lengths one answer holds: 4 MiB."""
_deadline: contextvars.ContextVar[float | None] = contextvars.ContextVar("deadline", default=None)


class NodeStore:
    """A store on another machine, as its node announced it by its directory's name. Threads may share one.

    `limit_s` is how long a trace waits for all of its questions together.
    """

    def __init__(self, name: str, manifest: Manifest, ask: Ask, *, limit_s: float = LIMIT_S) -> None:
        self.name, self.manifest, self.ask, self.limit_s = name, manifest, ask, limit_s
        self._lengths: dict[int, NDArray[np.uint32]] = {}

    @classmethod
    def engine(cls, stores: Sequence[Self]) -> "NodeEngine":
        """The engine that searches these stores."""
        return NodeEngine(stores)

    @cached_property
    def unigrams(self) -> Unigrams:
        """How often each id occurs in the store, asked for once. Unanswered where its node does not say."""
        [found] = NodeEngine([self]).ask("unigrams", [{}])
        return checked_array(found, (-1, 2), self.manifest)

    @property
    def documents(self) -> int:
        """Number of documents."""
        return self.manifest.documents

    def document_lengths(self) -> Longs:
        """Tokens of each document, shape [documents], asked for once. Unanswered where its node does not
        say; what it has said by then is kept, so that the next trace asks for the rest only."""
        for first in range(0, self.documents, LENGTHS_ASKED):
            if first not in self._lengths:
                self._lengths[first] = self._asked_lengths(first, min(first + LENGTHS_ASKED, self.documents))
        parts = [self._lengths[first] for first in range(0, self.documents, LENGTHS_ASKED)]
        return np.concatenate(parts).astype(np.int64)

    def _asked_lengths(self, first: int, stop: int) -> NDArray[np.uint32]:
        [found] = NodeEngine([self]).ask("document_lengths", [{"first": first, "stop": stop}])
        if isinstance(found, np.ndarray) and found.dtype == np.uint32 and found.shape == (stop - first,):
            return found
        raise Unanswered({self.manifest.digest: OTHER_VERSION})

    def reading(self) -> AbstractContextManager[None]:
        """As of a TokenStore; what a node answers it has checked itself."""
        return nullcontext()

    def token_ids(self, document: int) -> NDArray[Any]:
        """Ids of a document, shape [tokens]. Raises InputError for one that is not there, StoreMissing."""
        self._check([document])
        found = self._read("tokens", document=document)
        if not isinstance(found, np.ndarray) or found.ndim != 1:
            raise StoreMissing(f"{self.name} cannot be read: {OTHER_VERSION}")
        return found

    def metadata(self, document: int) -> dict[str, Any]:
        """The metadata object that a document was added with; raises as `token_ids`."""
        return self.metadata_of([document])[0]

    def metadata_of(self, documents: Sequence[int]) -> list[dict[str, Any]]:
        """The metadata objects of some documents, asked for at once; raises as `token_ids`."""
        self._check(documents)
        found: list[dict[str, Any]] = self._read("metadata", documents=list(documents)) if documents else []
        return found

    def _check(self, documents: Sequence[int]) -> None:
        wrong = next((number for number in documents if not 0 <= number < self.documents), None)
        if wrong is not None:
            raise InputError(f"{self.name} has {self.documents} documents, no document {wrong}.")

    def _read(self, operation: str, **arguments: Any) -> Any:
        try:
            [found] = NodeEngine([self]).ask(operation, [arguments])
        except Unanswered as error:
            [reason] = error.reasons.values()
            raise StoreMissing(f"{self.name} cannot be read: {reason}") from error
        return found


Reader = TokenStore | NodeStore
"""A store to read documents from, on this machine or on another one."""


def place_of(reader: Reader) -> str:
    """Where a store lies, for messages."""
    return str(reader.path) if isinstance(reader, TokenStore) else f"{reader.name} on its node"


class NodeEngine:
    """Searches stores on other machines: one round of questions to all of their nodes for each call.

    Unanswered, naming every store whose node failed, where one is late, away or refuses.
    """

    def __init__(self, stores: Sequence[NodeStore]) -> None:
        self._stores = stores
        self._shards = [store.manifest.shards for store in stores]
        self._firsts = np.concatenate([[0], np.cumsum(self._shards)])

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Sets the time by which all that is asked within must be answered. Nodes check what they read."""
        token = _deadline.set(time.monotonic() + max(store.limit_s for store in self._stores))
        try:
            yield
        finally:
            _deadline.reset(token)

    def longest_matches(self, query: Query, cancelled: Cancel | None) -> Longs:
        found = self.ask("lengths", [{"token_ids": query.token_ids}] * len(self._stores))
        shaped = [
            checked_array(f, (query.size,), store.manifest)
            for f, store in zip(found, self._stores, strict=True)
        ]
        lengths: Longs = np.maximum.reduce(shaped)
        return lengths

    def find(
        self, query: Query, starts: Longs, stops: Longs, within: Ranges | None = None, known: int = 1
    ) -> Ranges:
        if not starts.size:
            return Ranges(*np.zeros((2, sum(self._shards), 0), dtype=np.int64))
        asked = {"token_ids": query.token_ids, "starts": starts, "stops": stops}
        found = self.ask("ranges", [asked] * len(self._stores))
        shaped = [
            checked_array(f, (2, store.manifest.shards, starts.size), store.manifest)
            for f, store in zip(found, self._stores, strict=True)
        ]
        return Ranges(*np.concatenate(shaped, axis=1))

    def locate(self, rows: Longs, ranks: Longs) -> Longs:
        chosen = [np.flatnonzero(self._of_store(rows) == number) for number in range(len(self._stores))]
        asked = [
            {"rows": rows[mine] - self._firsts[number], "ranks": ranks[mine]} if mine.size else None
            for number, mine in enumerate(chosen)
        ]
        found = np.empty((ranks.size, 4), dtype=np.int64)
        for store, mine, places in zip(self._stores, chosen, self.ask("places", asked), strict=True):
            if places is not None:
                found[mine] = checked_array(places, (mine.size, 4), store.manifest)
        return found

    def read(self, places: Sequence[Place], terms: Terms) -> list[Excerpt]:
        rows = np.array([place.row for place in places], dtype=np.int64)
        chosen = [np.flatnonzero(self._of_store(rows) == number) for number in range(len(self._stores))]
        by = [terms.token_ids, terms.weights, terms.mean_length]
        asked = [
            {"places": [self._fields(places[n], first) for n in mine.tolist()], "terms": by}
            if mine.size
            else None
            for mine, first in zip(chosen, self._firsts.tolist()[:-1], strict=True)
        ]
        found: dict[int, Excerpt] = {}
        for store, mine, excerpts in zip(self._stores, chosen, self.ask("documents", asked), strict=True):
            if mine.size:
                found |= dict(
                    zip(mine.tolist(), checked_excerpts(excerpts, mine.size, store.manifest), strict=True)
                )
        return [found[n] for n in range(len(places))]

    def wholes(self, documents: Sequence[Sequence[int]]) -> list[list[Whole]]:
        """These documents of each store, with all of their ids."""
        found = self.ask("wholes", [{"documents": list(mine)} for mine in documents])
        return [
            checked_wholes(said, len(mine), store.manifest)
            for said, mine, store in zip(found, documents, self._stores, strict=True)
        ]

    def ask(self, operation: str, arguments: Sequence[Mapping[str, Any] | None]) -> list[Any]:
        """The answer of each store to its arguments; None where there are none."""
        questions = {
            n: Question(store.name, store.manifest.digest, operation, given)
            for n, (store, given) in enumerate(zip(self._stores, arguments, strict=True))
            if given is not None
        }
        if not questions:
            return [None] * len(self._stores)
        deadline = _deadline.get() or time.monotonic() + max(store.limit_s for store in self._stores)
        replies = dict(zip(questions, self._stores[0].ask(list(questions.values()), deadline), strict=True))
        reasons = {questions[n].digest: reply.reason for n, reply in replies.items() if reply.reason}
        if reasons:
            raise Unanswered(reasons)
        return [replies[n].value if n in replies else None for n in range(len(self._stores))]

    def _of_store(self, rows: Longs) -> Longs:
        """Which of the stores each row belongs to."""
        found: Longs = np.searchsorted(self._firsts, rows, side="right") - 1
        return found

    def _fields(self, place: Place, first: int) -> list[Any]:
        """A place as it is sent, its row numbered within its store."""
        return [place.row - first, place.document, place.start, place.stop, place.matches]
