"""Two stores read together, so many sequences of a step from the one and the rest from the other: long and
short documents, a candidate data set and web text.

Which sequences a step takes of which store is a function of the step, in whole numbers: after s steps of B
sequences, floor(share s B) were the first store's and the others the second's. Within its own sequences each
store has its own order, as if it were read alone one sequence at a time; so `document -> steps` follows from
the store, the seed and the share, without the other store at hand.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from tracing.core.stores.store import TokenStore
from training.core.checkpoints import StoreRead
from training.core.order import Piece
from training.core.recipe import TrainRecipe

MILLION = 10**6  # shares are counted in millionths, so that no rounding of floats decides a step


class RowOrder(Protocol):
    """The order of a store that is read one sequence at a time: its steps are sequences."""

    def pieces(self, step: int) -> Iterator[Piece]: ...
    def steps_of(self, document: int, steps: int) -> list[int]: ...
    def steps_in_epochs(self, epochs: float) -> int: ...


class ShareOrder:
    """One store's part of a mixture: `share` of the sequences of each step of `batch_size`. The first store's
    number is rounded down, the second's up."""

    def __init__(self, rows: RowOrder, *, share: float, second: bool, batch_size: int) -> None:
        self._rows, self._second = rows, second
        self._part = round(share * MILLION) * batch_size  # millionths of a sequence a step

    def rows_before(self, step: int) -> int:
        """Sequences of the store that the steps before `step` read."""
        return -(-self._part * step // MILLION) if self._second else self._part * step // MILLION

    def pieces(self, step: int) -> Iterator[Piece]:
        """The parts of documents that the step reads, its sequences numbered from 0."""
        first = self.rows_before(step)
        for row in range(first, self.rows_before(step + 1)):
            for piece in self._rows.pieces(row):
                yield Piece(row - first, piece.column, piece.document, piece.start, piece.length)

    def documents_at(self, step: int) -> list[int]:
        """Numbers of the documents that the step trains on, ascending."""
        return sorted({piece.document for piece in self.pieces(step)})

    def steps_of(self, document: int, steps: int) -> list[int]:
        """The steps, out of the first `steps`, that train on some part of the document."""
        rows = self._rows.steps_of(document, self.rows_before(steps))
        return sorted({self._step_of(row) for row in rows})

    def steps_in_epochs(self, epochs: float) -> int:
        """Steps after which every document of the store was seen `epochs` times."""
        return self._step_of(self._rows.steps_in_epochs(epochs) - 1) + 1

    def _step_of(self, row: int) -> int:
        """The step that reads the sequence: the one that `rows_before` first counts it after."""
        if self._second:
            return row * MILLION // self._part
        return -(-(row + 1) * MILLION // self._part) - 1


class MixedOrder:
    """Both parts of a mixture. Documents of the second store are numbered on from the `documents` of the
    first."""

    def __init__(self, first: ShareOrder, second: ShareOrder, documents: int) -> None:
        self._first, self._second, self._documents = first, second, documents

    def steps_in_epochs(self, epochs: float) -> int:
        """Steps after which every document of the first store was seen `epochs` times."""
        return self._first.steps_in_epochs(epochs)

    def documents_at(self, step: int) -> list[int]:
        """Numbers of the documents that the step trains on, ascending."""
        return sorted({piece.document for piece in self.pieces(step)})

    def steps_of(self, document: int, steps: int) -> list[int]:
        """The steps, out of the first `steps`, that train on some part of the document."""
        if document < self._documents:
            return self._first.steps_of(document, steps)
        return self._second.steps_of(document - self._documents, steps)

    def pieces(self, step: int) -> Iterator[Piece]:
        """The parts of documents that make up a step: the first store's sequences, then the second's."""
        yield from self._first.pieces(step)
        rows = self._first.rows_before(step + 1) - self._first.rows_before(step)
        for piece in self._second.pieces(step):
            document = piece.document + self._documents
            yield Piece(piece.row + rows, piece.column, document, piece.start, piece.length)


@dataclass(frozen=True)
class Mixture:
    """`share` of the sequences are the first store's; what a batch reads of it are both stores' documents."""

    first: TokenStore
    second: TokenStore
    share: float

    def reads(self, recipe: TrainRecipe) -> tuple[StoreRead, ...]:
        """What a manifest says of the two."""
        return tuple(
            StoreRead(store.manifest.name, store.manifest.digest, recipe.seed, share=share, place=place)
            for place, (store, share) in enumerate(self.parts)
        )

    def token_ids(self, document: int) -> NDArray[Any]:
        store, number = self._find(document)
        return np.asarray(store.token_ids(number))

    def metadata(self, document: int) -> dict[str, Any]:
        store, number = self._find(document)
        return store.metadata(number)

    @cached_property
    def parts(self) -> tuple[tuple[TokenStore, float], tuple[TokenStore, float]]:
        """Each store with its share."""
        share = round(self.share * MILLION)
        return (self.first, share / MILLION), (self.second, (MILLION - share) / MILLION)

    def _find(self, document: int) -> tuple[TokenStore, int]:
        return (
            (self.first, document)
            if document < self.first.documents
            else (self.second, document - self.first.documents)
        )
