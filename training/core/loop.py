"""The training loop that the stages share: steps, metrics, saved states, intermediate and final
checkpoints."""

import dataclasses
import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tracing.core.store import TokenStore
from training.core.batches import Batch, read_batch
from training.core.checkpoints import CheckpointManifest, StoreRead, publish_checkpoint, read_checkpoint
from training.core.errors import CheckpointError, DivergedError
from training.core.evaluation import Scores
from training.core.job import Job
from training.core.loss import next_token_loss
from training.core.meter import Meter
from training.core.model import autocast
from training.core.optim import learning_rate, new_optimizer, set_learning_rate
from training.core.order import DataOrder
from training.core.recipe import TrainRecipe
from training.core.recipe_files import recipe_table
from training.core.state import StateFile
from training.core.threads import Governor

METRIC_STEPS = 10


@dataclass(frozen=True)
class Stage:
    """All that one training stage is made of."""

    job: Job
    recipe: TrainRecipe
    model: Any
    """`Olmo3ForCausalLM`, in fp32."""
    store: TokenStore
    tokenizer: Path
    padding: int
    """Id of the padding token."""
    chat: str
    """How its checkpoints are to be spoken to: plain or chatml."""
    evaluate: Callable[[bool], Scores]
    """Scores of the model as it is; True for the final checkpoint's full evaluation."""
    parents: tuple[str, ...] = ()
    thinking: bool = False


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
        self._optimizer = new_optimizer(stage.model, stage.recipe)
        self._state = StateFile(stage.job.folder)
        self._governor = Governor(stage.job.config.threads)
        self._meter = Meter(stage.recipe.batch_size * stage.recipe.sequence_length)
        self._saved_at = time.monotonic()
        stage.model.set_attn_implementation(stage.recipe.attention)

    def run(self) -> None:
        if (final := self._stage.job.checkpoint_folder()).exists():
            self._announce(self._own(final, self.steps), final, final=True)
            return
        with self._meter.paused():
            start = self._resume()
        self._announce_earlier()
        self._stage.model.train()
        for step in range(start, self.steps):
            self._step(step)
            self._after(step + 1)
        self._publish(self.steps, final, final=True)
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
            self._events.write(
                "metric", step=done, tokens=done * self._meter.step_tokens, **self._meter.line()
            )
            if time.monotonic() - self._saved_at >= self._recipe.save_s and done < self.steps:
                self._save(done)
        if done in self._milestones() and not (folder := self._stage.job.checkpoint_folder(done)).exists():
            with self._meter.paused():
                self._publish(done, folder, final=False)

    def _save(self, done: int) -> None:
        with self._meter.paused():
            self._state.save(done, self._stage.model, self._optimizer)
        self._saved_at = time.monotonic()

    def _milestones(self) -> list[int]:
        """The steps after which an intermediate checkpoint is published."""
        parts = self._recipe.checkpoints + 1
        return sorted({self.steps * part // parts for part in range(1, parts)} - {0, self.steps})

    def _publish(self, done: int, folder: Path, *, final: bool) -> None:
        self._events.progress("evaluating", done, self.steps, "steps", self._meter.seconds(self.steps - done))
        scores = self._stage.evaluate(final)
        manifest = self._manifest(folder.name, done, scores)
        published = publish_checkpoint(self._stage.model, self._stage.tokenizer, folder, manifest)
        self._announce(published, folder, final=final)

    def _manifest(self, name: str, done: int, scores: Scores) -> CheckpointManifest:
        stage, store = self._stage, self._stage.store.manifest
        return CheckpointManifest(
            name=name,
            digest="",
            parents=stage.parents,
            stage=stage.job.config.stage,
            step=done,
            steps=self.steps,
            job=stage.job.folder.name,
            config=json.loads(json.dumps(recipe_table(stage.recipe))),
            stores=(StoreRead(store.name, store.digest, stage.recipe.seed),),
            tokenizer=store.tokenizer,
            chat=stage.chat,
            thinking=stage.thinking,
            metrics=self._meter.summary() | {"tokens": done * self._meter.step_tokens},
            scores=scores,
        )

    def _announce_earlier(self) -> None:
        """Checkpoints that a run before published and may not have lived to announce."""
        for done in self._milestones():
            if (folder := self._stage.job.checkpoint_folder(done)).exists():
                self._announce(self._own(folder, done), folder, final=False)

    def _own(self, folder: Path, done: int) -> CheckpointManifest:
        """The manifest of a checkpoint that is there already. Raises CheckpointError where it is not the one
        that this stage would make: of other data, settings or parents."""
        found, expected = read_checkpoint(folder), self._manifest(folder.name, done, {})
        for name in ("stage", "step", "steps", "parents", "stores", "tokenizer", "config"):
            if getattr(found, name) != getattr(expected, name):
                raise CheckpointError(
                    f"{folder} is there already, with another {name} ({getattr(found, name)}): checkpoints "
                    "are never rewritten; give the flow another name or delete it"
                )
        return found

    def _announce(self, manifest: CheckpointManifest, folder: Path, *, final: bool) -> None:
        fields = {key: value for key, value in dataclasses.asdict(manifest).items() if key in ANNOUNCED}
        self._events.write("checkpoint", path=str(folder), final=final, **fields)


ANNOUNCED = ("name", "stage", "step", "steps", "scores")
