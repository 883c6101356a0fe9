"""What a step of a stage minimises: predicting the next token, or whatever a stage brings."""

from collections.abc import Mapping
from typing import ClassVar, Protocol

import torch

from training.core.batches import Documents, read_batch
from training.core.loss import next_token_loss
from training.core.stage import Stage
from training.core.store_order import AnyOrder, count_steps, store_order


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

    def loss(self, step: int) -> tuple[torch.Tensor, Mapping[str, torch.Tensor]]:
        """What is to be minimised at `step`, and what is told of it: `loss`, and more if there is more."""
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

    def loss(self, step: int) -> tuple[torch.Tensor, Mapping[str, torch.Tensor]]:
        stage = self._stage
        batch = read_batch(
            self._documents,
            self._order,
            step,
            batch_size=stage.recipe.batch_size,
            sequence_length=stage.recipe.sequence_length,
            padding=stage.padding,
        ).to(stage.model.device)
        objective, nll = next_token_loss(stage.model, batch, stage.recipe.z_loss)
        return objective, {"loss": nll}
