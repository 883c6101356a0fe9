"""Several stores searched as one: matches, ranges and counts over all their shards."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tracing.core.errors import Cancelled, InputError, StoreDamaged
from tracing.core.matching import kernels
from tracing.core.matching.query import Query
from tracing.core.stores.shard import Shard
from tracing.core.stores.store import TokenStore
from tracing.core.stores.unigrams import add_unigrams, counts_of

CHUNK_POSITIONS = 1024  # between two looks at `cancelled`

Cancel = Callable[[], bool]
Bytes = NDArray[np.uint8]
Longs = NDArray[np.int64]


@dataclass(frozen=True)
class Ranges:
    """Suffix-array ranges of n sequences: ranks lows..highs, each of shape [shards, n]."""

    lows: Longs
    highs: Longs

    @property
    def counts(self) -> Longs:
        """Occurrences in each shard, shape [shards, n]."""
        counts: Longs = self.highs - self.lows
        return counts


class Corpus:
    """The stores of one model, in order. All of them hold ids of the same tokenizer."""

    def __init__(self, stores: Sequence[TokenStore]) -> None:
        if not stores:
            raise InputError("No store to search: name at least one.")
        self.stores = tuple(stores)
        self.shards = [
            (store, number, shard) for store in stores for number, shard in enumerate(store.shards)
        ]
        self.kinds = {store.manifest.token_type for store in stores}
        self.unigrams = add_unigrams(store.unigrams for store in stores)
        self.entries = int(self.unigrams[:, 1].sum())

    def query(self, token_ids: Sequence[int] | NDArray[Any] = ()) -> Query:
        """The ids, checked and ready to be searched for."""
        return Query(self.kinds, token_ids)

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Around every use of the methods below: no result leaves unless all that was read is sound."""
        for _, _, shard in self.shards:
            shard.check_unchanged()
        try:
            yield
        finally:  # whatever went wrong inside, damage would be the reason for it
            for _, _, shard in self.shards:
                shard.check_touched()

    def longest_matches(self, query: Query, cancelled: Cancel | None = None) -> Longs:
        """m(i): length of the longest prefix of query[i:] inside one document; shape [tokens]."""
        lengths, firsts = np.zeros(query.size, dtype=np.int64), self.first_ranges(query)
        for begin in range(0, query.size, CHUNK_POSITIONS):
            if cancelled is not None and cancelled():
                raise Cancelled("The trace was stopped.")
            end = min(begin + CHUNK_POSITIONS, query.size)
            for row, (_, _, shard) in enumerate(self.shards):
                bounds = (firsts.lows[row], firsts.highs[row])
                _check(shard, kernels.longest_matches(*_search(shard, query), *bounds, begin, end, lengths))
        return lengths

    def first_ranges(self, query: Query, places: Longs | None = None) -> Ranges:
        """Ranges of the single tokens at these places of the query, by default at all of them."""
        lows, highs = [], []
        for _, _, shard in self.shards:
            keys = query.keys(shard.kind) if places is None else query.keys(shard.kind)[places]
            low, high = shard.first_ranges(keys)
            lows.append(low)
            highs.append(high)
        return Ranges(np.stack(lows), np.stack(highs))

    def find(
        self, query: Query, starts: Longs, stops: Longs, within: Ranges | None = None, known: int = 1
    ) -> Ranges:
        """Ranges of the sequences query[starts[n]:stops[n]], none of them empty.

        `within` are ranges whose suffixes all begin with the first `known` tokens of the sequence,
        by default those of its first token.
        """
        first = self.first_ranges(query, starts) if within is None else within
        ranges = Ranges(first.lows.copy(), first.highs.copy())
        shared = np.full(starts.size, known, dtype=np.int64)
        for row, (_, _, shard) in enumerate(self.shards):
            bounds = (starts, stops, shared, ranges.lows[row], ranges.highs[row])
            _check(shard, kernels.find_ranges(*_search(shard, query), *bounds))
        return ranges

    def locate(self, row: int, ranks: Longs) -> Longs:
        """(position, document, start, stop) of each rank in shard `row`, shape [ranks, 4].

        All but the document are bytes of tokenized.N; the document's number is the store's.
        """
        store, number, shard = self.shards[row]
        found = np.empty((ranks.size, 4), dtype=np.int64)
        offsets = shard.offset.data.view("<u8")
        states = (shard.table.state, shard.offset.state)
        widths = (shard.kind.width_bytes, shard.pointer_bytes)
        data = (shard.tokenized.data, shard.table.data, offsets)
        _check(shard, kernels.locate(*data, *states, *widths, ranks, found))
        found[:, 1] += store.first_document(number)
        return found

    def log_probabilities(self, token_ids: Longs) -> NDArray[np.float64]:
        """Unigram log-probability of each id: ln(count / all entries, separators too), as infini-gram's.

        An id that never occurs counts as one occurrence; no span contains one.
        """
        counts = counts_of(self.unigrams, token_ids)
        logs: NDArray[np.float64] = np.log(np.maximum(counts, 1) / self.entries)
        return logs

    def counts_by_stage(self, counts: Longs) -> dict[str, int]:
        """Occurrences by stage, in the stores' order, of one sequence's counts [shards]; zeros left out."""
        by_stage: dict[str, int] = {}
        for (store, _, _), count in zip(self.shards, counts.tolist(), strict=True):
            if count:
                by_stage[store.manifest.stage] = by_stage.get(store.manifest.stage, 0) + count
        return by_stage


def _search(shard: Shard, query: Query) -> tuple[Bytes, Bytes, Bytes, Bytes, int, int, Longs]:
    """The arguments that the search kernels share."""
    data, table, kind = shard.tokenized, shard.table, shard.kind
    widths = (kind.width_bytes, shard.pointer_bytes)
    return (data.data, table.data, data.state, table.state, *widths, query.keys(kind))


def _check(shard: Shard, status: int) -> None:
    if status == kernels.DAMAGED:
        raise StoreDamaged(f"{shard.table.path} points outside the tokens: restore or rebuild the store.")
