"""What a step of a stage minimises: predicting the next token, or whatever a stage brings."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import ClassVar, Protocol

import torch

from training.core.batches import IGNORED, Batch, Documents, read_batch
from training.core.loss import next_token_loss
from training.core.parallel.rows import SharedOrder, portions, share_of
from training.core.stage import Stage
from training.core.store_order import AnyOrder, count_steps, store_order

Computed = tuple[torch.Tensor, Mapping[str, torch.Tensor]]
"""What is to be minimised, and what is told of it: `loss`, and more if there is more."""
Portion = Callable[[], Computed]
"""A portion of a step, read and ready to be computed."""


class Objective(Protocol):
    """A stage of `steps` steps, each over `step_tokens` tokens (padding too, where there is any).

    Steps that read what was there before are repeatable. Where a step makes its own data, one that a
    published checkpoint rests on must not be done again: the state is saved as it is published.
    """

    is_repeatable: ClassVar[bool]

    @property
    def steps(self) -> int: ...
    @property
    def step_tokens(self) -> int: ...

    def portions(self, step: int) -> Iterator[Portion]:
        """This process's part of `step`, in as many portions as fit into memory one after the other. Each is
        already divided by what the whole step holds: over all portions of all processes, they add up."""
        ...


class NextToken:
    """Pretraining, midtraining and SFT: every labelled token of the store's documents from those before. Of
    a mixture, `documents` and `order` are both stores'."""

    is_repeatable: ClassVar[bool] = True

    def __init__(
        self, stage: Stage, documents: Documents | None = None, order: AnyOrder | None = None
    ) -> None:
        self._stage, recipe = stage, stage.recipe
        self._documents = documents or stage.store
        self._order = order or store_order(stage.store, recipe)
        self.steps = count_steps(self._order, recipe)
        self.step_tokens = recipe.batch_size * recipe.sequence_length

    def portions(self, step: int) -> Iterator[Portion]:
        stage, world = self._stage, self._stage.job.world
        share = share_of(world, stage.recipe.batch_size)
        batch = read_batch(
            self._documents,
            SharedOrder(self._order, share),
            step,
            batch_size=share.count,
            sequence_length=stage.recipe.sequence_length,
            padding=stage.padding,
        )
        labelled = world.sum({"labelled": float((batch.labels_BT != IGNORED).sum())})["labelled"]
        for portion in portions(batch, stage.recipe.micro_batch_size):
            yield partial(self._compute, portion.to(stage.model.device), labelled)

    def _compute(self, batch: Batch, labelled: float) -> Computed:
        stage = self._stage
        objective, nll = next_token_loss(stage.model, batch, stage.recipe.z_loss, labelled)
        counted = {"loss_tokens": batch.labels_BT != IGNORED, "padding_tokens": batch.ids_BT == stage.padding}
        return objective, {"loss": nll, **{name: found.sum() for name, found in counted.items()}}
