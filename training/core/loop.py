"""The training loop that the stages share: steps, metrics, saved states, intermediate and final
checkpoints."""

import math
import time

import torch

from training.core.errors import DivergedError
from training.core.evaluation.exam import Scores
from training.core.gauge import new_gauge
from training.core.meter import Meter
from training.core.objective import NextToken, Objective
from training.core.optim import learning_rate, new_optimizer, set_learning_rate
from training.core.parallel.compute import clip, new_compute, whole_model
from training.core.pause import StopAsked
from training.core.publishing import Publisher
from training.core.stage import Stage
from training.core.state import StateStore
from training.core.threads import Governor
from training.core.validation import is_due

METRIC_STEPS = 10


def train(stage: Stage, objective: Objective | None = None) -> None:
    """Run the stage from its last saved state to its final checkpoint, by default on predicting the next
    token. Raises DivergedError, or what the disk says."""
    Loop(stage, objective or NextToken(stage)).run()


class Loop:
    """One run of a stage."""

    def __init__(self, stage: Stage, objective: Objective) -> None:
        self._stage, self._recipe, self._events = stage, stage.recipe, stage.job.events
        self._objective, self.steps = objective, objective.steps
        self._publisher = Publisher(stage, self.steps)
        self._world = stage.job.world
        self._computes = new_compute(stage)
        self._optimizer = new_optimizer(stage.model, stage.recipe)
        self._state = StateStore(stage.job.workspace, self._world)
        self._governor = Governor(stage.job.config.threads)
        gauge = new_gauge(
            stage.model,
            stage.recipe.sequence_length,
            devices=self._world.size,
            peak_tflops=stage.job.config.peak_tflops,
        )
        self._meter = Meter(objective.step_tokens, gauge)
        self._pause = stage.job.pause
        self._saved_at = time.monotonic()

    def run(self) -> None:
        self._publisher.announce_earlier()
        if not self._publisher.is_published(self.steps):
            with self._pause.held():
                self._train()
        self._state.remove()

    def _train(self) -> None:
        with self._meter.paused():
            start = self._resume()
        self._stage.model.train()
        self._publish_due(start)
        if start == 0 and self._stage.validate is not None:
            self._events.write("metric", step=0, **self._validated())
        for step in range(start, self.steps):
            self._stop_if_wanted(step)
            self._step(step)
            self._after(step + 1)
            self._publish_due(step + 1)
        self._publish(self.steps)

    def _resume(self) -> int:
        """Steps that are done already, with weights and optimiser as they were after them."""
        saved = self._state.load(self._stage.model, self._optimizer)
        if saved is None:
            return 0
        if saved.meter:
            self._meter.restore(saved.meter)
        self._events.log(f"going on after step {saved.step} of {self.steps}")
        return saved.step

    def _step(self, step: int) -> None:
        self._governor.adjust()
        rate = learning_rate(self._recipe, step, self.steps)
        set_learning_rate(self._optimizer, rate)
        if self._recipe.adapter is not None:
            torch.manual_seed(self._recipe.seed * 1_000_003 + step)  # of its dropout, whatever ran before
        values = self._learn(step)
        norm = clip(self._stage.model, self._recipe.clip)
        self._optimizer.step()
        self._optimizer.zero_grad()
        self._meter.add(values.pop("loss"), norm, rate, values)
        self._check(step)

    def _learn(self, step: int) -> dict[str, float]:
        """Gradients of the step, portion after portion, and what is told of it, over all processes."""
        told: dict[str, torch.Tensor] = {}
        for portion in self._objective.portions(step):
            objective, measured = self._computes(portion)
            # FSDP2 divides the sum of gradients by the number of processes.
            (objective * self._world.size).backward()
            told = {name: told.get(name, 0.0) + value for name, value in measured.items()}
        return self._world.sum({name: value.item() for name, value in told.items()})

    def _check(self, step: int) -> None:
        if not math.isfinite(self._meter.last_loss) or not math.isfinite(self._meter.last_norm):
            raise DivergedError(
                f"step {step + 1} of {self.steps}: the loss is {self._meter.last_loss} and the gradient's "
                f"norm {self._meter.last_norm}, at learning rate {self._meter.rate:.3g}; lower learning_rate "
                "or lengthen warmup_steps. Checkpoints published before are kept."
            )

    def _after(self, done: int) -> None:
        """What follows when `done` steps are done."""
        self._events.progress("training", done, self.steps, "steps", self._meter.seconds(self.steps - done))
        if done % METRIC_STEPS == 0 or done == self.steps:
            tokens = done * self._meter.step_tokens
            line = self._meter.line()
            if is_due(done, self.steps, METRIC_STEPS):
                line |= self._validated()
            self._events.write("metric", step=done, tokens=tokens, **line)
        if self._is_save_due(done) and done < self.steps:
            self._save(done)

    def _is_save_due(self, done: int) -> bool:
        """By the clock; and before a checkpoint is published that must not be made in two ways."""
        once = self._is_due(done) and not self._objective.is_repeatable
        late = time.monotonic() - self._saved_at >= self._recipe.save_s
        return once or bool(self._world.told("late" if late else ""))

    def _validated(self) -> Scores:
        """What the model as it is makes of the rows that it never learns, of a stage that has any."""
        if self._stage.validate is None:
            return {}
        with self._meter.paused(), whole_model(self._stage):
            return self._stage.validate()

    def _is_due(self, done: int) -> bool:
        return done in self._publisher.milestones and not self._publisher.is_published(done)

    def _publish_due(self, done: int) -> None:
        """An intermediate checkpoint, if there is to be one here; also one that a killed run did not come
        to."""
        if self._is_due(done):
            self._publish(done)

    def _stop_if_wanted(self, done: int) -> None:
        """Raises StopAsked where a person wants the job paused or cancelled, with what was learned kept: in
        the saved state, or as a checkpoint."""
        how = self._world.told(self._stage.job.wanted())
        if not how:
            return
        if done and how == "pause":
            self._save(done)
        if done and how == "cancel" and not self._publisher.is_published(done):
            self._tell_metrics(done)
            self._publish(done)
        if how == "cancel":
            self._state.remove()
        raise StopAsked(how, done)

    def _tell_metrics(self, done: int) -> None:
        """A line of metrics of the steps since the last, if there are any."""
        if done % METRIC_STEPS and self._meter.has_steps:
            tokens = done * self._meter.step_tokens
            self._events.write("metric", step=done, tokens=tokens, **self._meter.line())

    def _save(self, done: int) -> None:
        with self._meter.paused():
            self._state.save(done, self._stage.model, self._optimizer, self._meter.state())
            if self._world.is_first:
                self._stage.job.costs.save()
        self._saved_at = time.monotonic()

    def _publish(self, done: int) -> None:
        self._events.progress("evaluating", done, self.steps, "steps", self._meter.seconds(self.steps - done))
        metrics = self._meter.summary() | {"tokens": done * self._meter.step_tokens}
        try:
            with self._meter.paused(), self._pause.held(False), whole_model(self._stage):
                scores = self._stage.evaluate(done == self.steps)
        except StopAsked as stop:
            self._save(done)
            raise StopAsked(stop.how, done) from None
        with self._meter.paused():
            self._publisher.publish(done, metrics, scores)
