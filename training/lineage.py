"""What a checkpoint was made from: its ancestors, the stores they read, and when they read each document."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tracing.core.errors import InputError
from tracing.models import Store
from training.data_order import steps_of
from training.models import Checkpoint, TrainedOn


@dataclass(frozen=True)
class Lineage:
    """A checkpoint and all that it descends from, as the database has it now.

    `checkpoints` are each there once, ancestors first; `readings` say which of their own stages read which
    store, in the same order; `published` are all checkpoints of each of those stages, by job, in step order.
    """

    checkpoints: list[Checkpoint]
    readings: list[TrainedOn]
    published: Mapping[int | None, list[Checkpoint]]

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

    def seen(self, store_name: str, document: int) -> dict[str, Any] | None:
        """How often and when the model saw a document, or None for a store that it was not trained on,
        or one on another machine: the order of the data follows from all of its documents' lengths.

        Steps count from 1, as metrics do: a checkpoint of step s has seen what steps 1 to s trained on.
        `times` is how many of them trained on some of the document, 0 where this checkpoint was saved before
        the first. `before` and `after` are the nearest published checkpoints of that stage that had not yet,
        and had, seen it. Where several stages read the store, the first one counts.
        """
        reading = next((row for row in self.readings if row.store.name == store_name), None)
        if reading is None or not reading.store.is_here:
            return None
        steps = steps_of(reading, document)
        seen = [step for step in steps if step <= reading.checkpoint.step]
        first, last = (seen[0], seen[-1]) if seen else (None, None)
        return {"times": len(seen), "first_step": first, "last_step": last, **self.around(reading, steps)}

    def around(self, reading: TrainedOn, steps: list[int]) -> dict[str, str | None]:
        """Names of the last checkpoint before the first of these steps, and of the first from it on."""
        first = steps[0] if steps else 0
        siblings = self.published.get(reading.checkpoint.job_id, [])
        before = [c.name for c in siblings if c.step < first]
        after = [c.name for c in siblings if first and c.step >= first]
        return {"before": before[-1] if before else None, "after": after[0] if after else None}


def collect(checkpoint: Checkpoint, found: dict[int, Checkpoint]) -> None:
    """Adds the checkpoint to `found`, behind all its ancestors."""
    if checkpoint.pk not in found:
        for parent in checkpoint.parents.order_by("pk"):
            collect(parent, found)
        found[checkpoint.pk] = checkpoint


def published_with(checkpoints: Iterable[Checkpoint]) -> dict[int | None, list[Checkpoint]]:
    """The checkpoints that came out of the same jobs, by job, in step order."""
    found: dict[int | None, list[Checkpoint]] = {}
    jobs = {checkpoint.job_id for checkpoint in checkpoints} - {None}
    for checkpoint in Checkpoint.objects.filter(job__in=jobs).order_by("step"):
        found.setdefault(checkpoint.job_id, []).append(checkpoint)
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
