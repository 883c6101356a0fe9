"""Several stores searched as one: matches, ranges, counts and documents over all their shards."""

import contextvars
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import cached_property
from typing import Any, NamedTuple, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from tracing.core.arrays import Longs
from tracing.core.engines.choice import reader_of
from tracing.core.engines.engine import Cancel, Engine, Excerpt, Place, Ranges, Searched, Terms
from tracing.core.engines.local import LocalEngine
from tracing.core.errors import InputError
from tracing.core.matching.query import Query
from tracing.core.stores.pack import Pack
from tracing.core.stores.store import TokenStore
from tracing.core.stores.unigrams import Unigrams, add_unigrams, counts_of

__all__ = ["Cancel", "Corpus", "Ranges", "Row", "Stores"]

Answer = TypeVar("Answer")
_pool = ThreadPoolExecutor(128, thread_name_prefix="engine")  # starts threads for a second engine only


class Row(NamedTuple):
    """One shard of a store."""

    store: Searched
    shard: int


class Document(NamedTuple):
    """A document where it is searched: number in its `row`, bytes start..stop of its tokens, and these."""

    row: int
    number: int
    start: int
    stop: int
    token_ids: NDArray[Any]


class EngineStore(Searched, Protocol):
    """A store that brings an engine of its own along."""

    @classmethod
    def engine(cls, stores: Sequence[Any]) -> Engine:
        """The engine that searches these stores, all of this class."""
        ...


Stores = Sequence[TokenStore | EngineStore]


class Part(NamedTuple):
    """An engine, and which rows of the corpus its rows are; shape [rows of the engine]."""

    engine: Engine
    rows: Longs


class Corpus:
    """The stores of one model, in order. All of them hold ids of the same tokenizer.

    Stores that are open on this machine are searched together by our own engine, all in one pass; those
    that bring another engine by that one, meanwhile. Each of `packs` is searched in place of the stores
    that it stands for.
    """

    def __init__(self, stores: Stores, packs: Sequence[Pack] = ()) -> None:
        if not stores:
            raise InputError("No store to search: name at least one.")
        self.stores, self._packs = tuple(stores), {id(pack.store): pack for pack in packs}
        searched = _searched(stores, packs)
        self.rows = [Row(store, number) for store in searched for number in range(store.manifest.shards)]
        self.kinds = {store.manifest.token_type for store in stores}
        self.parts = self._parts(searched)

    def origin(self, row: int, document: int) -> tuple[Searched, int]:
        """The store of a document found in `row`, and its number there."""
        store = self.rows[row].store
        pack = self._packs.get(id(store))
        return pack.origin(document) if pack else (store, document)

    def document_of(self, store: TokenStore, document: int) -> Document:
        """Where a document of a store of this machine is searched; KeyError if the store is not."""
        served, first, row = self._served[store.manifest.digest]
        shard, start, stop = served.extent(first + document)
        return Document(row + shard, first + document, start, stop, served.token_ids(first + document))

    @cached_property
    def _served(self) -> dict[str, tuple[TokenStore, int, int]]:
        """By digest of each store of this machine: what is searched in its place, where its documents
        begin there, and its first row."""
        found: dict[str, tuple[TokenStore, int, int]] = {}
        for number, (store, shard) in enumerate(self.rows):
            reader = reader_of(store)
            if shard == 0 and reader is not None:
                pack = self._packs.get(id(store))
                parts = pack.firsts() if pack else [(reader, 0)]
                found |= {part.manifest.digest: (reader, first, number) for part, first in parts}
        return found

    def first_row(self, store: Searched) -> int:
        """The row of the first shard of a store that no pack stands for; KeyError if it is not searched."""
        return self._first_rows[store.manifest.digest]

    @cached_property
    def _first_rows(self) -> dict[str, int]:
        """By digest."""
        rows = enumerate(self.rows)
        return {store.manifest.digest: number for number, (store, shard) in rows if shard == 0}

    def serves(self, store: Searched) -> bool:
        """Whether the store is one of these."""
        return any(own.manifest.digest == store.manifest.digest for own in self.stores)

    @cached_property
    def unigrams(self) -> Unigrams:
        """How often each id occurs in all stores together."""
        return add_unigrams(store.unigrams for store in self.stores)

    @cached_property
    def entries(self) -> int:
        """Tokens and separators of all stores together."""
        return int(self.unigrams[:, 1].sum())

    def query(self, token_ids: Sequence[int] | NDArray[Any] = ()) -> Query:
        """The ids, checked and ready to be searched for."""
        return Query(self.kinds, token_ids)

    def reading(self) -> AbstractContextManager[Any]:
        """Around every use of the methods below: no result leaves unless all that was read is sound."""
        first, *others = self.parts
        return self._reading_all() if others else first.engine.reading()

    @contextmanager
    def _reading_all(self) -> Iterator[None]:
        with ExitStack() as stack:
            for engine, _ in self.parts:
                stack.enter_context(engine.reading())
            yield

    def longest_matches(self, query: Query, cancelled: Cancel | None = None) -> Longs:
        """m(i): length of the longest prefix of query[i:] inside one document; shape [tokens]."""
        found = self._ask(lambda part: part.engine.longest_matches(query, cancelled))
        return found[0] if len(found) == 1 else np.maximum.reduce(found)

    def find(
        self, query: Query, starts: Longs, stops: Longs, within: Ranges | None = None, known: int = 1
    ) -> Ranges:
        """Ranges of the sequences query[starts[n]:stops[n]], none of them empty.

        `within` are ranges whose suffixes all begin with the first `known` tokens of the sequence,
        by default those of its first token.
        """
        found = self._ask(
            lambda part: part.engine.find(query, starts, stops, _rows_of(within, part.rows), known)
        )
        if len(found) == 1:
            return found[0]
        lows, highs = np.empty((2, len(self.rows), starts.size), dtype=np.int64)
        for part, ranges in zip(self.parts, found, strict=True):
            lows[part.rows], highs[part.rows] = ranges.lows, ranges.highs
        return Ranges(lows, highs)

    def locate(self, rows: Longs, ranks: Longs) -> Longs:
        """(position, document, start, stop) of each rank in its row, shape [ranks, 4].

        All but the document are bytes of tokenized.N; the document's number is the store's.
        """
        if len(self.parts) == 1:  # its rows are the corpus's own
            return self.parts[0].engine.locate(rows, ranks)

        def ask(part: Part) -> tuple[Longs, Longs]:
            mine = np.flatnonzero(np.isin(rows, part.rows))
            return mine, part.engine.locate(np.searchsorted(part.rows, rows[mine]), ranks[mine])

        found = np.empty((ranks.size, 4), dtype=np.int64)
        for mine, answer in self._ask(ask):
            found[mine] = answer
        return found

    def read(self, places: Sequence[Place], terms: Terms) -> list[Excerpt]:
        """What is shown of these documents, and how well they fit `terms`."""
        if len(self.parts) == 1:  # its rows are the corpus's own
            return self.parts[0].engine.read(places, terms)

        def ask(part: Part) -> list[tuple[int, Excerpt]]:
            numbers = {int(row): number for number, row in enumerate(part.rows)}
            mine = [n for n, place in enumerate(places) if place.row in numbers]
            own = [places[n]._replace(row=numbers[places[n].row]) for n in mine]
            return list(zip(mine, part.engine.read(own, terms), strict=True))

        found = dict(pair for answer in self._ask(ask) for pair in answer)
        return [found[n] for n in range(len(places))]

    def log_probabilities(self, token_ids: Longs) -> NDArray[np.float64]:
        """Unigram log-probability of each id: ln(count / all entries, separators too), as infini-gram's.

        An id that never occurs counts as one occurrence; no span contains one.
        """
        counts = counts_of(self.unigrams, token_ids)
        logs: NDArray[np.float64] = np.log(np.maximum(counts, 1) / self.entries)
        return logs

    def counts_by_stage(self, counts: Longs) -> dict[str, int]:
        """Occurrences by stage, in the stores' order, of one sequence's counts [rows]; zeros left out."""
        by_stage: dict[str, int] = {}
        for (store, _), count in zip(self.rows, counts.tolist(), strict=True):
            if count:
                by_stage[store.manifest.stage] = by_stage.get(store.manifest.stage, 0) + count
        return by_stage

    def _parts(self, stores: Stores) -> list[Part]:
        """Our own engine for the stores that bring none, then one for each class of those that do."""
        local = [store for store in stores if isinstance(store, TokenStore)]
        others = [store for store in stores if not isinstance(store, TokenStore)]
        parts = [Part(LocalEngine(local), self._rows_of_class(TokenStore))] if local else []
        for kind in {type(store): None for store in others}:
            mine = [store for store in others if type(store) is kind]
            parts.append(Part(kind.engine(mine), self._rows_of_class(kind)))
        return parts

    def _rows_of_class(self, kind: type) -> Longs:
        return np.array([number for number, row in enumerate(self.rows) if isinstance(row.store, kind)])

    def _ask(self, question: Callable[[Part], Answer]) -> list[Answer]:
        """The answers of all parts, the first in this thread and the others meanwhile."""
        first, *others = self.parts
        if not others:
            return [question(first)]
        asked = [_pool.submit(contextvars.copy_context().run, question, part) for part in others]
        try:
            answer = question(first)
        finally:
            wait(asked)
        return [answer, *(future.result() for future in asked)]


def _searched(stores: Stores, packs: Sequence[Pack]) -> Stores:
    """The stores, each pack in the place of its first part and the other parts left out."""
    instead = {part.manifest.digest: pack.store for pack in packs for part in pack.parts}
    found = [instead.get(store.manifest.digest, store) for store in stores]
    return list({id(store): store for store in found}.values())


def _rows_of(ranges: Ranges | None, rows: Longs) -> Ranges | None:
    return None if ranges is None else Ranges(ranges.lows[rows], ranges.highs[rows])
