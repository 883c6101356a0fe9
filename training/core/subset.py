"""Documents of a store that are kept out of training, and the order of the others.

Which they are depends on nothing but the store's number of documents and how many are held out: runs with
other seeds and settings are measured on the same ones.
"""

# ruff: noqa: N803, N806  (capitals at the end of a name are the array's shape)

from collections.abc import Iterator
from dataclasses import replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from training.core.errors import OrderError
from training.core.order import Piece, scattered


class Inner(Protocol):
    """An order of some of a store's documents, numbered from 0."""

    def pieces(self, step: int) -> Iterator[Piece]: ...
    def steps_of(self, document: int, steps: int) -> list[int]: ...
    def steps_in_epochs(self, epochs: float) -> int: ...


class SubsetOrder:
    """An order of the documents `numbers_N` of a store alone, ascending; the others are never read."""

    def __init__(self, inner: Inner, numbers_N: NDArray[np.int64], documents: int) -> None:
        self._inner, self._numbers_N, self._documents = inner, numbers_N, documents

    def steps_in_epochs(self, epochs: float) -> int:
        """Steps after which every one of these documents was seen `epochs` times."""
        return self._inner.steps_in_epochs(epochs)

    def documents_at(self, step: int) -> list[int]:
        """Numbers of the documents that the step trains on, ascending."""
        return sorted({piece.document for piece in self.pieces(step)})

    def pieces(self, step: int) -> Iterator[Piece]:
        """The parts of documents that make up a step."""
        for piece in self._inner.pieces(step):
            yield replace(piece, document=int(self._numbers_N[piece.document]))

    def steps_of(self, document: int, steps: int) -> list[int]:
        """The steps, out of the first `steps`, that train on some part of the document; none where it is
        held out."""
        if not 0 <= document < self._documents:
            raise OrderError(f"no document {document}: the store has {self._documents}, numbered from 0")
        place = int(np.searchsorted(self._numbers_N, document))
        is_read = place < len(self._numbers_N) and self._numbers_N[place] == document
        return self._inner.steps_of(place, steps) if is_read else []


def split(documents: int, held_out: int, *, pairs: bool) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Numbers of the documents that are trained on and of those held out, both ascending. Of a store of
    pairs, `held_out` counts pairs. Raises OrderError where nothing would be left to train on."""
    units = documents // 2 if pairs else documents
    if held_out >= units:
        raise OrderError(
            f"held_out is {held_out} and the store has {units} {'pairs' if pairs else 'documents'}: hold out "
            "fewer, so that some are left to train on"
        )
    held_N = np.sort(scattered(units)[:held_out])
    if pairs:
        held_N = np.stack([2 * held_N, 2 * held_N + 1], axis=1).ravel()
    kept_N = np.setdiff1d(np.arange(documents, dtype=np.int64), held_N, assume_unique=True)
    return kept_N, held_N
