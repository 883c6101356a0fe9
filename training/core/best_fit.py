"""The order of a stage that sorts its documents into sequences by best fit: long context, where cutting a
document would take away what the stage is there to teach.

Every epoch each document is cut into pieces of at most `sequence_length` tokens (most are one piece), and the
pieces, the longest first, each go to the sequence with the least room that is enough (best-fit decreasing;
Ding et al., "Fewer Truncations Improve Language Modeling", arXiv 2404.10830). The sequences are then put in
an order by hash. What no piece fits into stays padding, well under one per cent in practice.
"""

# ruff: noqa: N803, N806, N815  (capitals at the end of a name are the array's shape: P pieces, R rows)

from bisect import bisect_left, insort
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from training.core.epochs import Epochs, check_lengths
from training.core.errors import OrderError
from training.core.order import Piece, shuffled


@dataclass(frozen=True)
class _Epoch:
    """Pieces in the order of their sequences; the pieces of row r are `[ends_R[r - 1], ends_R[r])`."""

    documents_P: NDArray[np.int64]
    starts_P: NDArray[np.int64]
    lengths_P: NDArray[np.int64]
    columns_P: NDArray[np.int64]
    rows_P: NDArray[np.int64]
    ends_R: NDArray[np.int64]
    base: int
    """Rows of the epochs before."""

    @property
    def end(self) -> int:
        return self.base + len(self.ends_R)

    @cached_property
    def by_document(self) -> NDArray[np.int64]:
        """Places of the pieces in order of document."""
        return np.argsort(self.documents_P, kind="stable")

    @cached_property
    def ordered(self) -> NDArray[np.int64]:
        """The documents of `by_document`, ascending."""
        return self.documents_P[self.by_document]

    def rows_of(self, document: int) -> NDArray[np.int64]:
        """Rows of the whole run that hold some of the document."""
        first, last = (int(np.searchsorted(self.ordered, document, side)) for side in ("left", "right"))
        return self.base + self.rows_P[self.by_document[first:last]]

    def pieces(self, row: int) -> range:
        return range(int(self.ends_R[row - 1]) if row else 0, int(self.ends_R[row]))


class BestFitOrder:
    """The order of one stage over one store. `lengths`: tokens of each document, all at least 1."""

    def __init__(
        self, lengths: NDArray[np.int64], *, seed: int, sequence_length: int, batch_size: int
    ) -> None:
        check_lengths(lengths)
        self._lengths, self._seed = lengths, seed
        self._width, self._batch_size = sequence_length, batch_size
        self._epochs = Epochs(self._lay)

    def steps_in_epochs(self, epochs: float) -> int:
        """Steps after which every document was seen `epochs` times, at least."""
        return -(-int(np.ceil(self._epochs.end(epochs))) // self._batch_size)

    def documents_at(self, step: int) -> list[int]:
        """Numbers of the documents that the step trains on, ascending."""
        return sorted({piece.document for piece in self.pieces(step)})

    def steps_of(self, document: int, steps: int) -> list[int]:
        """The steps, out of the first `steps`, that train on some part of the document."""
        if not 0 <= document < len(self._lengths):
            raise OrderError(f"no document {document}: the store has {len(self._lengths)}, numbered from 0")
        found: set[int] = set()
        for epoch in self._epochs.until(steps * self._batch_size):
            found.update((epoch.rows_of(document) // self._batch_size).tolist())
        return sorted(step for step in found if step < steps)

    def pieces(self, step: int) -> Iterator[Piece]:
        """The parts of documents that make up a step, row by row."""
        if step < 0:
            raise OrderError(f"no step {step}: steps are numbered from 0")
        first = step * self._batch_size
        for epoch in self._epochs.until(first + self._batch_size):
            for row in range(max(first, epoch.base), min(first + self._batch_size, epoch.end)):
                for place in epoch.pieces(row - epoch.base):
                    document, start, length, column = (
                        int(array[place])
                        for array in (epoch.documents_P, epoch.starts_P, epoch.lengths_P, epoch.columns_P)
                    )
                    yield Piece(row - first, column, document, start, length)

    def _lay(self, epoch: int, base: int) -> _Epoch:
        order_N = shuffled(self._seed, epoch, len(self._lengths))
        documents_P, starts_P = _cut(order_N, self._lengths[order_N], self._width)
        lengths_P = np.minimum(self._lengths[documents_P] - starts_P, self._width)
        packed_P, columns_P = best_fit(lengths_P, self._width)
        row_of_R = np.argsort(shuffled(self._seed, epoch, int(packed_P.max()) + 1))
        rows_P = row_of_R[packed_P]
        places_P = np.lexsort((columns_P, rows_P))
        ends_R = np.cumsum(np.bincount(rows_P))
        return _Epoch(
            documents_P=documents_P[places_P],
            starts_P=starts_P[places_P],
            lengths_P=lengths_P[places_P],
            columns_P=columns_P[places_P],
            rows_P=rows_P[places_P],
            ends_R=ends_R,
            base=base,
        )


def best_fit(lengths_P: NDArray[np.int64], width: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The row of each piece, and the column that it begins at. The longest piece is placed first, each in the
    fullest row that it still fits into, or in a new one. `lengths_P` are all between 1 and `width`."""
    rows_P, columns_P = np.zeros_like(lengths_P), np.zeros_like(lengths_P)
    rooms: list[int] = []  # the different amounts of room that rows have left, ascending
    rows_with: dict[int, list[int]] = {}
    rows = 0
    for place in np.argsort(-lengths_P, kind="stable").tolist():
        length = int(lengths_P[place])
        at = bisect_left(rooms, length)
        if at < len(rooms):
            room = rooms[at]
            row = rows_with[room].pop()
            if not rows_with[room]:
                del rows_with[room], rooms[at]
        else:
            room, row, rows = width, rows, rows + 1
        rows_P[place], columns_P[place] = row, width - room
        if left := room - length:
            if left not in rows_with:
                insort(rooms, left)
            rows_with.setdefault(left, []).append(row)
    return rows_P, columns_P


def _cut(
    documents_N: NDArray[np.int64], lengths_N: NDArray[np.int64], width: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Documents in pieces of at most `width` tokens: each piece's document, and where in that it starts."""
    counts_N = -(-lengths_N // width)
    documents_P = np.repeat(documents_N, counts_N)
    firsts_P = np.repeat(np.cumsum(counts_N) - counts_N, counts_N)
    return documents_P, (np.arange(len(documents_P)) - firsts_P) * width
