"""The training loop that the stages share: steps, metrics, saved states, intermediate and final
checkpoints."""

import math
import time

import numpy as np
import torch

from tracing.core.stores.store import TokenStore
from training.core.batches import Batch, read_batch
from training.core.errors import DivergedError
from training.core.loss import next_token_loss
from training.core.meter import Meter
from training.core.model import autocast
from training.core.optim import learning_rate, new_optimizer, set_learning_rate
from training.core.order import DataOrder
from training.core.publishing import Publisher
from training.core.recipe import TrainRecipe
from training.core.stage import Stage
from training.core.state import StateFile
from training.core.threads import Governor

METRIC_STEPS = 10


def store_order(store: TokenStore, recipe: TrainRecipe) -> DataOrder:
    """The order in which a stage with this recipe reads this store."""
    lengths = np.array(
        [len(store.token_ids(document)) for document in range(store.documents)], dtype=np.int64
    )
    return DataOrder(
        lengths,
        seed=recipe.seed,
        sequence_length=recipe.sequence_length,
        batch_size=recipe.batch_size,
        packing=recipe.packing,
    )


def count_steps(order: DataOrder, recipe: TrainRecipe) -> int:
    """Steps of the whole stage, at least one."""
    by_tokens = -(-recipe.tokens // (recipe.batch_size * recipe.sequence_length))
    return max(1, by_tokens or order.steps_in_epochs(recipe.epochs))


def train(stage: Stage) -> None:
    """Run the stage from its last saved state to its final checkpoint. Raises DivergedError, or what the disk
    says."""
    Loop(stage).run()


class Loop:
    """One run of a stage."""

    def __init__(self, stage: Stage) -> None:
        self._stage, self._recipe, self._events = stage, stage.recipe, stage.job.events
        self._order = store_order(stage.store, stage.recipe)
        self.steps = count_steps(self._order, stage.recipe)
        self._publisher = Publisher(stage, self.steps)
        self._optimizer = new_optimizer(stage.model, stage.recipe)
        self._state = StateFile(stage.job.folder)
        self._governor = Governor(stage.job.config.threads)
        self._meter = Meter(stage.recipe.batch_size * stage.recipe.sequence_length)
        self._saved_at = time.monotonic()
        stage.model.set_attn_implementation(stage.recipe.attention)

    def run(self) -> None:
        self._publisher.announce_earlier()
        if self._publisher.is_published(self.steps):
            return
        with self._meter.paused():
            start = self._resume()
        self._stage.model.train()
        for step in range(start, self.steps):
            self._step(step)
            self._after(step + 1)
        self._publish(self.steps)
        self._state.remove()

    def _resume(self) -> int:
        """Steps that are done already, with weights and optimiser as they were after them."""
        saved = self._state.load()
        if saved is None:
            return 0
        self._stage.model.load_state_dict(saved.model)
        self._optimizer.load_state_dict(saved.optimizer)
        self._events.log(f"going on after step {saved.step} of {self.steps}")
        return saved.step

    def _step(self, step: int) -> None:
        self._governor.adjust()
        rate = learning_rate(self._recipe, step, self.steps)
        set_learning_rate(self._optimizer, rate)
        with autocast():
            objective, nll = next_token_loss(self._stage.model, self._batch(step), self._recipe.z_loss)
        objective.backward()  # type: ignore[no-untyped-call]
        norm = torch.nn.utils.clip_grad_norm_(self._stage.model.parameters(), self._recipe.clip)
        self._optimizer.step()
        self._optimizer.zero_grad()
        self._meter.add(nll.item(), norm.item(), rate)
        self._check(step)

    def _batch(self, step: int) -> Batch:
        return read_batch(
            self._stage.store,
            self._order,
            step,
            batch_size=self._recipe.batch_size,
            sequence_length=self._recipe.sequence_length,
            padding=self._stage.padding,
        ).to(self._stage.model.device)

    def _check(self, step: int) -> None:
        if not math.isfinite(self._meter.last_loss) or not math.isfinite(self._meter.last_norm):
            raise DivergedError(
                f"step {step + 1} of {self.steps}: the loss is {self._meter.last_loss} and the gradient's "
                f"norm {self._meter.last_norm}, at learning rate {self._meter.rate:.3g}; lower learning_rate "
                "or lengthen warmup_steps. Checkpoints published before are kept."
            )

    def _after(self, done: int) -> None:
        """What follows when `done` steps are done. States are saved where a line of metrics ends, so that a
        resumed run's lines are the same as an uninterrupted one's."""
        self._events.progress("training", done, self.steps, "steps", self._meter.seconds(self.steps - done))
        if done % METRIC_STEPS == 0 or done == self.steps:
            tokens = done * self._meter.step_tokens
            self._events.write("metric", step=done, tokens=tokens, **self._meter.line())
            if time.monotonic() - self._saved_at >= self._recipe.save_s and done < self.steps:
                self._save(done)
        if done in self._publisher.milestones and not self._publisher.is_published(done):
            self._publish(done)

    def _save(self, done: int) -> None:
        with self._meter.paused():
            self._state.save(done, self._stage.model, self._optimizer)
        self._saved_at = time.monotonic()

    def _publish(self, done: int) -> None:
        self._events.progress("evaluating", done, self.steps, "steps", self._meter.seconds(self.steps - done))
        with self._meter.paused():
            self._publisher.publish(done, self._meter.summary() | {"tokens": done * self._meter.step_tokens})
