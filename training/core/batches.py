"""A step's tensors, straight from a token store: the ids that are trained on are the store's own, byte for
byte."""

# ruff: noqa: N806, N815  (capitals at the end of a name are the array's shape)

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from training.core.order import Piece

IGNORED = -100  # the label that carries no loss, as in torch.nn.functional.cross_entropy


class Documents(Protocol):
    """What a batch needs of a token store."""

    def token_ids(self, document: int) -> NDArray[Any]: ...

    def metadata(self, document: int) -> dict[str, Any]: ...


class Pieces(Protocol):
    """What a batch needs of an order."""

    def pieces(self, step: int) -> Iterator[Piece]: ...


@dataclass(frozen=True)
class Batch:
    """B sequences of T positions, all int64. `labels_BT` is the id that each position has to predict, or
    IGNORED; `positions_BT` begins again at 0 with every document, from which the model keeps documents
    apart."""

    ids_BT: torch.Tensor
    labels_BT: torch.Tensor
    positions_BT: torch.Tensor

    def to(self, device: torch.device) -> "Batch":
        return Batch(self.ids_BT.to(device), self.labels_BT.to(device), self.positions_BT.to(device))


def read_batch(
    documents: Documents,
    order: Pieces,
    step: int,
    *,
    batch_size: int,
    sequence_length: int,
    padding: int,
) -> Batch:
    """The batch of `step`. Loss is taken on every token but a piece's first, or, where the document's
    metadata has `loss` (token ranges), on those alone."""
    shape = (batch_size, sequence_length)
    ids_BT = np.full(shape, padding, dtype=np.int64)
    labels_BT = np.full(shape, IGNORED, dtype=np.int64)
    positions_BT = np.zeros(shape, dtype=np.int64)
    for piece in order.pieces(step):
        span = slice(piece.column, piece.column + piece.length)
        ids = documents.token_ids(piece.document)[piece.start : piece.start + piece.length].astype(np.int64)
        ids_BT[piece.row, span] = ids
        positions_BT[piece.row, span] = np.arange(piece.length)
        labels_BT[piece.row, span] = _labels(ids, _learned(documents.metadata(piece.document), piece))
    return Batch(*(torch.from_numpy(array) for array in (ids_BT, labels_BT, positions_BT)))


def _learned(metadata: dict[str, Any], piece: Piece) -> NDArray[np.bool_]:
    """For each token of the piece, whether the loss is taken on predicting it."""
    if "loss" not in metadata:
        return np.ones(piece.length, dtype=np.bool_)
    learned = np.zeros(piece.length, dtype=np.bool_)
    for start, end in metadata["loss"]:
        learned[max(0, start - piece.start) : max(0, end - piece.start)] = True
    return learned


def _labels(ids: NDArray[np.int64], learned: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Each position's label is the token after it; the last has none."""
    labels = np.full(len(ids), IGNORED, dtype=np.int64)
    labels[:-1] = np.where(learned[1:], ids[1:], IGNORED)
    return labels
