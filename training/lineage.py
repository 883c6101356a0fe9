"""What a checkpoint was made from: its ancestors, the stores they read, and when they read each document."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tracing.core.errors import InputError
from tracing.models import Store
from training.core.checkpoints import IMPORTED
from training.data_order import steps_of
from training.models import Checkpoint, TrainedOn

STEP = re.compile(r"-step\d+$")


@dataclass(frozen=True)
class Lineage:
    """A checkpoint and all that it descends from, as the database has it now.

    `checkpoints` are each there once, ancestors first; `readings` say which of their own stages read which
    store, in the same order; `published` are all checkpoints of each of those stages, by run, in step order.
    """

    checkpoints: list[Checkpoint]
    readings: list[TrainedOn]
    published: Mapping[str, list[Checkpoint]]

    @classmethod
    def of(cls, checkpoint: Checkpoint) -> "Lineage":
        found: dict[int, Checkpoint] = {}
        collect(checkpoint, found)
        readings = TrainedOn.objects.filter(checkpoint__in=found).select_related("store").order_by("pk")
        place = {key: number for number, key in enumerate(found)}
        ordered = sorted(readings, key=lambda row: place[row.checkpoint_id])
        for row in ordered:
            row.checkpoint = found[row.checkpoint_id]
        return cls(list(found.values()), ordered, published_with(found.values()))

    @property
    def stores(self) -> list[Store]:
        """Every store that was read, each once, in the order of the flow."""
        return list({row.store.pk: row.store for row in self.readings}.values())

    def seen(
        self, store_name: str, document: int, metadata: Mapping[str, Any] | None = None
    ) -> dict[str, Any] | None:
        """How often and when the model saw a document, or None for a store that it was not trained on, or
        one that an imported model came with. `metadata` are the document's own, where they were read already.

        Steps count from 1, as metrics do: a checkpoint of step s has seen what steps 1 to s trained on.
        `times` is how many of them trained on some of the document, 0 where this checkpoint was saved before
        the first. `before` and `after` are the nearest published checkpoints of that stage that had not yet,
        and had, seen it. Where several stages read the store, the first one counts; of a stage that averages
        several runs, every run counts, and `before` and `after` are of the run that saw it first.

        Raises StoreError, and Unanswered where the store lies on a node that does not answer.
        """
        runs = self.runs_over(store_name)
        if not runs or runs[0].checkpoint.stage == IMPORTED:
            return None
        all_steps = [steps_of(reading, document, metadata) for reading in runs]
        seen = [
            (steps[0], reading, steps, kept)
            for reading, steps in zip(runs, all_steps, strict=True)
            if (kept := [step for step in steps if step <= reading.checkpoint.step])
        ]
        if not seen:
            empty = {"times": 0, "first_step": None, "last_step": None}
            return {**empty, **self.around(runs[0], all_steps[0])}
        first, reading, steps, _ = min(seen, key=lambda one: one[0])
        kept = [step for *_, kept in seen for step in kept]
        return {
            "times": len(kept),
            "first_step": first,
            "last_step": max(kept),
            **self.around(reading, steps),
        }

    def runs_over(self, store_name: str) -> list[TrainedOn]:
        """The readings of the store by the first stage that reads it: one, or one for each of its runs, of
        the furthest of the run's checkpoints."""
        readings = [row for row in self.readings if row.store.name == store_name]
        furthest: dict[str, TrainedOn] = {}
        for row in readings:
            run = run_of(row.checkpoint)
            known = furthest.setdefault(run, row)
            if known.checkpoint.step < row.checkpoint.step:
                furthest[run] = row
        first = readings[0].checkpoint if readings else None
        return [row for row in furthest.values() if first and is_run_beside(row.checkpoint, first)]

    def around(self, reading: TrainedOn, steps: list[int]) -> dict[str, str | None]:
        """Names of the last checkpoint before the first of these steps, and of the first from it on, of the
        same run."""
        first = steps[0] if steps else 0
        siblings = self.published.get(run_of(reading.checkpoint), [])
        before = [c.name for c in siblings if c.step < first]
        after = [c.name for c in siblings if first and c.step >= first]
        return {"before": before[-1] if before else None, "after": after[0] if after else None}


def collect(checkpoint: Checkpoint, found: dict[int, Checkpoint]) -> None:
    """Adds the checkpoint to `found`, behind all its ancestors."""
    if checkpoint.pk not in found:
        for parent in checkpoint.parents.order_by("pk"):
            collect(parent, found)
        found[checkpoint.pk] = checkpoint


def run_of(checkpoint: Checkpoint) -> str:
    """What all checkpoints of one run of a stage are called, before the step: demo-midtrain-run1."""
    return STEP.sub("", checkpoint.name)


def is_run_beside(checkpoint: Checkpoint, other: Checkpoint) -> bool:
    """The two are of one run, or of runs of one job that are averaged."""
    same_job = checkpoint.job_id is not None and checkpoint.job_id == other.job_id
    return same_job or run_of(checkpoint) == run_of(other)


def published_with(checkpoints: Iterable[Checkpoint]) -> dict[str, list[Checkpoint]]:
    """The checkpoints that came out of the same jobs, by run, in step order."""
    found: dict[str, list[Checkpoint]] = {}
    jobs = {checkpoint.job_id for checkpoint in checkpoints} - {None}
    for checkpoint in Checkpoint.objects.filter(job__in=jobs).order_by("step"):
        found.setdefault(run_of(checkpoint), []).append(checkpoint)
    return found


def lineage_stores(checkpoint: Checkpoint) -> list[Store]:
    """Every token store behind the checkpoint, each once, in the order of the flow: the ancestors' first."""
    return Lineage.of(checkpoint).stores


def ancestors_of(checkpoint: Checkpoint) -> list[Checkpoint]:
    """All that the checkpoint descends from, the oldest first, without itself."""
    found: dict[int, Checkpoint] = {}
    collect(checkpoint, found)
    return list(found.values())[:-1]


def ancestor_called(checkpoint: Checkpoint, name: str) -> Checkpoint:
    """The ancestor of that name; InputError where the checkpoint does not descend from such a one."""
    ancestors = ancestors_of(checkpoint)
    for ancestor in ancestors:
        if ancestor.name == name:
            return ancestor
    known = ", ".join(ancestor.name for ancestor in ancestors) or "none: it was trained from scratch"
    raise InputError(f"{checkpoint} does not descend from {name!r}: its ancestors are {known}.")
