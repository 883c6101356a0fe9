"""The order in which a stage reads its store, by the store's own lengths and the recipe's settings."""

# ruff: noqa: N806  (capitals at the end of a name are the array's shape)

import numpy as np
from numpy.typing import NDArray

from tracing.core.stores.store import TokenStore
from training.core.best_fit import BestFitOrder
from training.core.errors import OrderError
from training.core.mixture import MixedOrder, Mixture, ShareOrder
from training.core.order import DataOrder, Packing, PairOrder
from training.core.recipe import TrainRecipe
from training.core.subset import SubsetOrder, split

StoreOrder = DataOrder | BestFitOrder | PairOrder | SubsetOrder
AnyOrder = StoreOrder | ShareOrder | MixedOrder


def store_order(store: TokenStore, recipe: TrainRecipe) -> StoreOrder:
    """The order in which a stage with this recipe reads this store."""
    return new_order(
        store.document_lengths(),
        seed=recipe.seed,
        sequence_length=recipe.sequence_length,
        batch_size=recipe.batch_size,
        packing=recipe.packing,
        held_out=recipe.held_out,
    )


def new_order(
    lengths: NDArray[np.int64],
    *,
    seed: int,
    sequence_length: int,
    batch_size: int,
    packing: Packing,
    held_out: int = 0,
) -> StoreOrder:
    """The order of documents with these lengths, without those held out. Raises OrderError."""
    if held_out:
        kept_N, _ = split(len(lengths), held_out, pairs=packing == "pairs")
        shape = {"seed": seed, "sequence_length": sequence_length, "batch_size": batch_size}
        return SubsetOrder(new_order(lengths[kept_N], **shape, packing=packing), kept_N, len(lengths))
    settings = {"seed": seed, "sequence_length": sequence_length, "batch_size": batch_size}
    if packing == "rollouts":
        raise OrderError("rollouts are made while they are trained on: each says its step in its metadata")
    if packing == "pairs":
        return PairOrder(lengths, **settings)
    if packing == "best-fit":
        return BestFitOrder(lengths, **settings)
    return DataOrder(lengths, **settings, packing=packing)


def mixed_order(mixture: Mixture, recipe: TrainRecipe) -> MixedOrder:
    """The order in which a stage with this recipe reads two stores together."""
    first, second = (
        new_share_order(
            store.document_lengths(),
            seed=recipe.seed,
            sequence_length=recipe.sequence_length,
            batch_size=recipe.batch_size,
            packing=recipe.packing,
            share=share,
            second=place == 1,
        )
        for place, (store, share) in enumerate(mixture.parts)
    )
    return MixedOrder(first, second, mixture.first.documents)


def new_share_order(
    lengths: NDArray[np.int64],
    *,
    seed: int,
    sequence_length: int,
    batch_size: int,
    packing: Packing,
    share: float,
    second: bool,
) -> ShareOrder:
    """The order of documents that are `share` of a mixture. Raises OrderError."""
    if packing == "pairs":
        raise OrderError("pairs cannot be mixed with another store: put them into one")
    rows = new_order(lengths, seed=seed, sequence_length=sequence_length, batch_size=1, packing=packing)
    return ShareOrder(rows, share=share, second=second, batch_size=batch_size)


def count_steps(order: AnyOrder, recipe: TrainRecipe) -> int:
    """Steps of the whole stage, at least one."""
    by_tokens = -(-recipe.tokens // (recipe.batch_size * recipe.sequence_length))
    return max(1, by_tokens or order.steps_in_epochs(recipe.epochs))
