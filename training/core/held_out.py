"""What a model makes of the documents that were kept out of its training."""

# ruff: noqa: N803, N806  (capitals at the end of a name are the array's shape)

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from tracing.core.stores.store import TokenStore
from training.core.batches import IGNORED, read_batch
from training.core.evaluation.exam import Scores
from training.core.loss import next_token_loss
from training.core.order import DataOrder, PairOrder
from training.core.preference import pair_accuracy
from training.core.recipe import TrainRecipe
from training.core.subset import SubsetOrder, split


def held_out_loss(model: Any, store: TokenStore, recipe: TrainRecipe, padding: int) -> Scores:
    """`held_out_loss`: mean loss of the labelled tokens of the documents held out, in nats a token; nothing
    where none are."""
    if not recipe.held_out:
        return {}
    _, held_N = split(store.documents, recipe.held_out, pairs=False)
    loss = mean_loss(model, store, held_N, recipe.sequence_length, padding)
    return {} if loss is None else {"held_out_loss": loss}


def mean_loss(
    model: Any, store: TokenStore, documents_N: NDArray[np.int64], width: int, padding: int
) -> float | None:
    """Of the labelled tokens of these documents, in nats a token; None where there are none. Documents are
    cut at `width` tokens."""
    lengths = store.document_lengths()
    inner = DataOrder(lengths[documents_N], seed=0, sequence_length=width, batch_size=1, packing="whole")
    total, tokens = 0.0, 0
    with evaluating(model):
        order = SubsetOrder(inner, documents_N, len(lengths))
        for step in range(inner.steps_in_epochs(1)):
            batch = read_batch(store, order, step, batch_size=1, sequence_length=width, padding=padding)
            labelled = int((batch.labels_BT != IGNORED).sum())
            if labelled:
                total += labelled * next_token_loss(model, batch.to(model.device), 0.0)[1].item()
                tokens += labelled
    return total / tokens if tokens else None


def held_out_pairs(model: Any, store: TokenStore, recipe: TrainRecipe, padding: int) -> Scores:
    """`pairs`: the share of pairs held out whose chosen answer the model finds likelier; nothing where none
    are."""
    if not recipe.held_out:
        return {}
    lengths = store.document_lengths()
    _, held_N = split(len(lengths), recipe.held_out, pairs=True)
    inner = PairOrder(lengths[held_N], seed=0, sequence_length=recipe.sequence_length, batch_size=1)
    order = SubsetOrder(inner, held_N, len(lengths))
    right = 0.0
    with evaluating(model):
        for step in range(recipe.held_out):
            widest = max(piece.length for piece in order.pieces(step))
            batch = read_batch(store, order, step, batch_size=2, sequence_length=widest, padding=padding)
            right += pair_accuracy(model, batch.to(model.device))
    return {"pairs": right / recipe.held_out}


@contextmanager
def evaluating(model: Any) -> Iterator[None]:
    """The model in evaluation mode and without gradients; afterwards as it was."""
    was_training = model.training
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        model.train(was_training)
