"""Our own engine: the compiled kernels over the memory-mapped shards of stores on this machine."""

import dataclasses
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tracing.core.arrays import Bytes, Longs
from tracing.core.cancelling import paced, watched
from tracing.core.documents.windows import cut_windows, scored_windows
from tracing.core.engines.engine import Cancel, Excerpt, Place, Ranges, Terms
from tracing.core.matching import kernels, surroundings
from tracing.core.matching.query import Query
from tracing.core.matching.words import DAMAGED, Table
from tracing.core.stores.shard import Shard
from tracing.core.stores.store import TokenStore

Searches = list[tuple[Shard, tuple[Table, Bytes, Longs, Bytes]]]

SATURATION, LENGTH_SHARE = 1.5, 0.75  # k1 and b as in rank_bm25's BM25Okapi and infinigram-api


class LocalEngine:
    """Searches all shards of some open stores in one pass."""

    def __init__(self, stores: Sequence[TokenStore]) -> None:
        self._rows = [(store, number) for store in stores for number in range(len(store.shards))]
        self.shards = [store.shards[number] for store, number in self._rows]
        self._heads = [shard.heads for shard in self.shards]  # kept as long as the tables point to them
        self._tables = [table_of(shard) for shard in self.shards]

    @contextmanager
    def reading(self) -> Iterator[None]:
        """StoreDamaged at its end unless all that was read is sound."""
        changes = [shard.check_unchanged() for shard in self.shards]
        try:
            yield
        finally:  # whatever went wrong inside, damage would be the reason for it
            for shard, before in zip(self.shards, changes, strict=True):
                shard.check_touched(before)

    def longest_matches(self, query: Query, cancelled: Cancel | None) -> Longs:
        places = np.arange(query.size)
        reaches, searches = places.copy(), self._searches(query)
        for begin, end in paced(query.size):
            for shard, search in searches:
                met = query.meet(shard, begin, end)
                _check(shard, kernels.extend_reaches(*search, begin, end, reaches, met))
        reaches -= places
        return reaches

    def find(
        self, query: Query, starts: Longs, stops: Longs, within: Ranges | None = None, known: int = 1
    ) -> Ranges:
        if within is None:
            lows, highs = np.zeros((2, len(self.shards), starts.size), dtype=np.int64)
            known = 0
        else:
            lows, highs = within.lows.copy(), within.highs.copy()
        searches = self._searches(query)
        for begin, end in paced(starts.size):
            for row, (shard, search) in enumerate(searches):
                sought, found = (
                    (starts[begin:end], stops[begin:end]),
                    (lows[row, begin:end], highs[row, begin:end]),
                )
                met = query.met(shard)
                _check(shard, kernels.find_ranges(*search, known, *sought, *found, met))
        return Ranges(lows, highs)

    def locate(self, rows: Longs, ranks: Longs) -> Longs:
        found = np.empty((ranks.size, 4), dtype=np.int64)
        for row in sorted(set(rows.tolist())):
            mine = np.flatnonzero(rows == row)
            found[mine] = self._locate(row, ranks[mine])
        return found

    def read(self, places: Sequence[Place], terms: Terms) -> list[Excerpt]:
        scoring, rows, found = _Scoring(terms), dict[int, list[int]](), dict[int, Excerpt]()
        for number, place in enumerate(watched(places)):
            rows.setdefault(place.row, []).append(number)
        for row, numbers in rows.items():
            shard, own = self.shards[row], [places[number] for number in numbers]
            read = zip(watched(own), scoring.scores(shard, own), self._metadata(row, own), strict=True)
            found.update(zip(numbers, [_excerpt(shard, *one) for one in read], strict=True))
        return [found[number] for number in range(len(places))]

    def _searches(self, query: Query) -> Searches:
        """Each shard, and the arguments that the search kernels share."""
        return query.kept(self, self._make_searches)

    def _make_searches(self, query: Query) -> Searches:
        room = np.empty(kernels.ROOM_BYTES, dtype=np.uint8)
        texts = {kind: (query.text(kind), query.gaps(kind), room) for kind in query.kinds}
        shards = zip(self.shards, self._tables, strict=True)
        return [(shard, (table, *texts[shard.kind])) for shard, table in shards]

    def _locate(self, row: int, ranks: Longs) -> Longs:
        shard, (store, number) = self.shards[row], self._rows[row]
        found = np.empty((ranks.size, 4), dtype=np.int64)
        offsets = shard.offset.data.view("<u8")
        for begin, end in paced(ranks.size):
            part = (ranks[begin:end], found[begin:end])
            _check(shard, surroundings.locate(self._tables[row], offsets, shard.offset.state, *part))
        found[:, 1] += store.first_document(number)
        return found

    def _metadata(self, row: int, places: Sequence[Place]) -> list[dict[str, Any]]:
        """Of documents in this row."""
        found, (store, _) = list[dict[str, Any]](), self._rows[row]
        for begin, end in paced(len(places)):
            found += store.metadata_of([place.document for place in places[begin:end]])
        return found


def _excerpt(shard: Shard, place: Place, score: float, metadata: dict[str, Any]) -> Excerpt:
    """What is shown of a document."""
    tokens = shard.tokenized.data[place.start : place.stop].view(shard.kind.numpy)
    width = shard.kind.width_bytes
    starts = [((position - place.start) // width, length) for position, length in place.matches]
    windows = cut_windows(tokens, [(start, start + length) for start, length in starts])
    return Excerpt(score, windows, len(tokens), metadata)


@dataclasses.dataclass(frozen=True)
class _Scoring:
    """BM25 by some terms."""

    terms: Terms

    @cached_property
    def slots(self) -> NDArray[np.int32]:
        """slots[id] is the term's number, or -1."""
        slots = np.full(int(self.terms.token_ids.max(initial=-1)) + 1, -1, dtype=np.int32)
        slots[self.terms.token_ids] = np.arange(self.terms.token_ids.size)
        return slots

    @cached_property
    def weights(self) -> NDArray[np.float64]:
        """A copy: kernels would be compiled anew for read-only ones, as those are that came over the wire."""
        return np.array(self.terms.weights)

    def scores(self, shard: Shard, places: Sequence[Place]) -> list[float]:
        """The score of each document of the shard: that of its best window around a match."""
        bounds = [(place.start, place.stop, *match) for place in places for match in place.matches]
        windows = scored_windows(np.array(bounds, dtype=np.int64), shard.kind.width_bytes)
        of_windows, best = np.zeros(len(windows)), np.zeros(len(places))
        data, width = shard.tokenized, shard.kind.width_bytes
        options = (SATURATION, LENGTH_SHARE, self.terms.mean_length)
        by = (self.slots, self.weights)
        surroundings.score_windows(data.data, data.state, width, windows, *by, *options, of_windows)
        np.maximum.at(best, np.repeat(np.arange(len(places)), [len(p.matches) for p in places]), of_windows)
        scores: list[float] = best.tolist()
        return scores


def table_of(shard: Shard) -> Table:
    """The shard as the kernels see it, for as long as the shard and its heads are kept."""
    files, heads = (shard.tokenized, shard.table), shard.heads
    arrays: list[NDArray[Any]] = [*(file.data for file in files), *(file.state for file in files)]
    arrays += [heads.data, heads.state, heads.tree.layout]
    widths = (shard.kind.width_bytes, shard.pointer_bytes)
    addresses = (array.ctypes.data for array in arrays)
    return Table._make([*addresses, shard.tokenized.size_bytes, *widths])


def _check(shard: Shard, status: int) -> None:
    if status == DAMAGED:
        raise shard.pointer_outside()
