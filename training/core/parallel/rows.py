"""Which rows of a step a process takes, and in what portions: the step itself stays the same."""

# ruff: noqa: N806  (capitals at the end of a name are the array's shape)

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch

from training.core.batches import Batch, Pieces
from training.core.errors import RecipeError
from training.core.order import Piece
from training.core.parallel.world import World


@dataclass(frozen=True)
class Share:
    """`count` rows from `first` on, of the `whole` rows of a step; of pairs, the rows of their second answers
    lie `whole` further down."""

    first: int
    count: int
    whole: int

    def of(self, pieces: Iterator[Piece]) -> Iterator[Piece]:
        """The pieces in these rows, numbered from 0; second answers after the first ones."""
        for piece in pieces:
            side, row = divmod(piece.row, self.whole)
            if self.first <= row < self.first + self.count:
                yield replace(piece, row=row - self.first + side * self.count)


@dataclass(frozen=True)
class SharedOrder:
    """An order, as the process that takes `share` of its rows reads it."""

    order: Pieces
    share: Share

    def pieces(self, step: int) -> Iterator[Piece]:
        return self.share.of(self.order.pieces(step))


def share_of(world: World, rows: int) -> Share:
    """The rows of this process. Raises RecipeError where they cannot be shared equally."""
    if rows % world.size:
        raise RecipeError(
            f"batch_size {rows} cannot be shared by {world.size} processes: make it a multiple of that"
        )
    count = rows // world.size
    return Share(world.rank * count, count, rows)


def portions(batch: Batch, rows: int, *, sides: int = 1) -> Iterator[Batch]:
    """The batch in portions of at most `rows` rows each (0: whole). With two `sides`, row n is portioned
    together with the row that far into the second half."""
    count = len(batch.ids_BT) // sides
    for first in range(0, count, rows or count):
        taken_P = torch.arange(first, min(first + (rows or count), count))
        rows_R = torch.cat([taken_P + side * count for side in range(sides)])
        yield Batch(batch.ids_BT[rows_R], batch.labels_BT[rows_R], batch.positions_BT[rows_R])
