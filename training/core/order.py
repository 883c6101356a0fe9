"""Which documents a stage trains on at which step: a pure function, so nothing has to be replayed to know it.

Every epoch the documents are put in an order of their own (a sort by hash of seed, epoch and document number,
which no library version can change) and laid one after the other on a line of positions, which is cut into
sequences of `sequence_length` and steps of `batch_size` sequences. Two ways of laying:

split  documents follow each other without a gap and are cut where a sequence ends (pretraining, midtraining)
whole  a document that no longer fits begins the next sequence, the rest of the line stays empty; one longer
       than a sequence is cut (SFT, where half an answer teaches the wrong thing)

A store of preferences is not laid on a line but read two by two: see PairOrder. Documents sorted into
sequences so that little room is left: see best_fit. Two stores read together: see mixture.
"""

# ruff: noqa: N803, N806, N815  (capitals at the end of a name are the array's shape)

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from training.core.epochs import Epochs, check_lengths
from training.core.errors import OrderError

Packing = Literal["split", "whole", "best-fit", "pairs", "rollouts"]


@dataclass(frozen=True)
class Piece:
    """Tokens `[start, start + length)` of a document, lying at `column` of a sequence of the batch."""

    row: int
    column: int
    document: int
    start: int
    length: int


@dataclass(frozen=True)
class _Epoch:
    """Documents in the epoch's order; `starts_N` and `ends_N` are positions on the whole run's line."""

    documents_N: NDArray[np.int64]
    starts_N: NDArray[np.int64]
    ends_N: NDArray[np.int64]
    base: int
    end: int

    @cached_property
    def rank_of(self) -> NDArray[np.int64]:
        """Document -> its place in the epoch's order."""
        return np.argsort(self.documents_N, kind="stable")


class DataOrder:
    """The order of one stage over one store. `lengths`: tokens of each document, all at least 1."""

    def __init__(
        self,
        lengths: NDArray[np.int64],
        *,
        seed: int,
        sequence_length: int,
        batch_size: int,
        packing: Packing,
    ) -> None:
        check_lengths(lengths)
        self._kept = np.minimum(lengths, sequence_length) if packing == "whole" else lengths
        self._seed, self._width, self._packing = seed, sequence_length, packing
        self._step_tokens = sequence_length * batch_size
        self._epochs = Epochs(self._lay)

    def steps_in_epochs(self, epochs: float) -> int:
        """Steps after which every document was seen `epochs` times (at least, where it does not divide
        evenly)."""
        return -(-int(self._epochs.end(epochs)) // self._step_tokens)

    def documents_at(self, step: int) -> list[int]:
        """Numbers of the documents that the step trains on, ascending."""
        return sorted({piece.document for piece in self.pieces(step)})

    def steps_of(self, document: int, steps: int) -> list[int]:
        """The steps, out of the first `steps`, that train on some part of the document."""
        if not 0 <= document < len(self._kept):
            raise OrderError(f"no document {document}: the store has {len(self._kept)}, numbered from 0")
        found: set[int] = set()
        for epoch in self._epochs.until(steps * self._step_tokens):
            place = epoch.rank_of[document]
            first, last = int(epoch.starts_N[place]), int(epoch.ends_N[place]) - 1
            found.update(range(first // self._step_tokens, last // self._step_tokens + 1))
        return sorted(step for step in found if step < steps)

    def pieces(self, step: int) -> Iterator[Piece]:
        """The parts of documents that make up a step, row by row."""
        if step < 0:
            raise OrderError(f"no step {step}: steps are numbered from 0")
        begin, end = step * self._step_tokens, (step + 1) * self._step_tokens
        for epoch in self._epochs.until(end):
            if epoch.end > begin:
                first = int(np.searchsorted(epoch.ends_N, begin, side="right"))
                last = int(np.searchsorted(epoch.starts_N, end, side="left"))
                for place in range(first, last):
                    yield from self._cut(epoch, place, begin, end)

    def _cut(self, epoch: _Epoch, place: int, begin: int, end: int) -> Iterator[Piece]:
        """The document at `place`, cut at the sequence borders inside `[begin, end)`."""
        origin = int(epoch.starts_N[place])
        position, stop = max(origin, begin), min(int(epoch.ends_N[place]), end)
        while position < stop:
            row, column = divmod(position - begin, self._width)
            length = min(stop - position, self._width - column)
            yield Piece(row, column, int(epoch.documents_N[place]), position - origin, length)
            position += length

    def _lay(self, epoch: int, base: int) -> _Epoch:
        documents_N = shuffled(self._seed, epoch, len(self._kept))
        lengths_N = self._kept[documents_N]
        if self._packing == "split":
            ends_N = base + np.cumsum(lengths_N)
            return _Epoch(documents_N, ends_N - lengths_N, ends_N, base, int(ends_N[-1]))
        starts_N = base + _fill_rows(lengths_N, self._width)
        ends_N = starts_N + lengths_N
        rows = -(-(int(ends_N[-1]) - base) // self._width)
        return _Epoch(documents_N, starts_N, ends_N, base, base + rows * self._width)


class PairOrder:
    """The order of a store of pairs, whose documents 2n and 2n + 1 are a chosen and a rejected answer: both
    are read at the same step, `batch_size` pairs a step. `lengths`: tokens of each document."""

    def __init__(
        self, lengths: NDArray[np.int64], *, seed: int, sequence_length: int, batch_size: int
    ) -> None:
        if len(lengths) == 0 or len(lengths) % 2 or int(lengths.min()) < 1:
            raise OrderError(
                f"a store of pairs has an even number of documents, none empty; this one has {len(lengths)}"
            )
        self._kept = np.minimum(lengths, sequence_length)
        self._batch_size = batch_size
        pairs = np.ones(len(lengths) // 2, dtype=np.int64)
        self._pairs = DataOrder(pairs, seed=seed, sequence_length=1, batch_size=batch_size, packing="split")

    def steps_in_epochs(self, epochs: float) -> int:
        """Steps after which every pair was seen `epochs` times."""
        return self._pairs.steps_in_epochs(epochs)

    def documents_at(self, step: int) -> list[int]:
        """Numbers of the documents that the step trains on, ascending."""
        return sorted({piece.document for piece in self.pieces(step)})

    def steps_of(self, document: int, steps: int) -> list[int]:
        """The steps, out of the first `steps`, that train on the document."""
        if not 0 <= document < len(self._kept):
            raise OrderError(f"no document {document}: the store has {len(self._kept)}, numbered from 0")
        return self._pairs.steps_of(document // 2, steps)

    def pieces(self, step: int) -> Iterator[Piece]:
        """The documents of a step, a row each: the chosen ones, then in the same order the rejected ones."""
        pairs = [piece.document for piece in self._pairs.pieces(step)]
        for side in (0, 1):
            for row, pair in enumerate(pairs):
                document = 2 * pair + side
                length = int(self._kept[document])
                yield Piece(row + side * self._batch_size, 0, document, 0, length)


def _fill_rows(lengths_N: NDArray[np.int64], width: int) -> NDArray[np.int64]:
    """Start of each document where none crosses a multiple of `width`."""
    starts, position = [], 0
    for length in lengths_N.tolist():
        if position % width + length > width:
            position += width - position % width
        starts.append(position)
        position += length
    return np.array(starts, dtype=np.int64)


def shuffled(seed: int, epoch: int, count: int) -> NDArray[np.int64]:
    """The numbers 0 .. count - 1 in the epoch's own order."""
    return np.argsort(_hash(seed, epoch, count), kind="stable").astype(np.int64)


def scattered(count: int) -> NDArray[np.int64]:
    """The numbers 0 .. count - 1 in an order that looks random and never changes."""
    return np.argsort(_hash(0, 0, count), kind="stable").astype(np.int64)


def _hash(seed: int, epoch: int, count: int) -> NDArray[np.uint64]:
    """SplitMix64 of (seed, epoch, number) for the numbers 0 .. count - 1."""
    with np.errstate(over="ignore"):
        stream = _mix(np.array([seed], dtype=np.uint64) + _mix(np.array([epoch + 1], dtype=np.uint64)))
        return _mix(stream + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15))


def _mix(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
