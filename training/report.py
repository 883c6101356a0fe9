"""The figures of a flow, checkpoint by checkpoint, as `manage.py flow_report` prints them."""

from dataclasses import dataclass
from typing import Any

from training.by_length.scores import LengthScore, length_scores
from training.models import Checkpoint, Flow

SCORES = ("greedy", "sampled", "pairs", "mean_tokens")


@dataclass(frozen=True)
class Row:
    """A checkpoint's scores, and those of the checkpoint that its stage started from (none for a first)."""

    stage: str
    step: int
    name: str
    scores: dict[str, float]
    start: dict[str, float]
    cpu_s: float | None
    by_length: tuple[LengthScore, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """All the scores by name, None where one was not measured; `by_length` only where there are any."""
        scores = {name: self.scores.get(name) for name in SCORES}
        start = {name: self.start.get(name) for name in SCORES}
        own = {"stage": self.stage, "step": self.step, "name": self.name}
        told = {**own, "scores": scores, "start": start, "cpu_s": self.cpu_s}
        return told | ({"by_length": [one.to_json() for one in self.by_length]} if self.by_length else {})


def flow_rows(flow: Flow, *, intermediate: bool = False) -> list[Row]:
    """The flow's final checkpoints in the order of its stages, or all of its checkpoints."""
    checkpoints = Checkpoint.objects.filter(job__flow=flow).select_related("job").prefetch_related("parents")
    ordered = checkpoints.order_by("job__position", "step")
    return [row_of(checkpoint) for checkpoint in (ordered if intermediate else ordered.filter(final=True))]


def row_of(checkpoint: Checkpoint) -> Row:
    parent = parent_of(checkpoint)
    return Row(
        stage=checkpoint.stage,
        step=checkpoint.step,
        name=checkpoint.name,
        scores=checkpoint.scores,
        start=start_of(checkpoint, parent) if parent else {},
        cpu_s=checkpoint.job.cpu_s if checkpoint.job and checkpoint.final else None,
        by_length=tuple(length_scores(checkpoint)),
    )


def parent_of(checkpoint: Checkpoint) -> Checkpoint | None:
    """The checkpoint that the stage started from: behind the stage's own runs, where it is an average."""
    parent = next(iter(checkpoint.parents.all()), None)
    while parent and checkpoint.job_id is not None and parent.job_id == checkpoint.job_id:
        parent = parent.parents.first()
    return parent


def start_of(checkpoint: Checkpoint, parent: Checkpoint) -> dict[str, float]:
    """The parent's scores, and what the stage itself measured before its first step."""
    before = {name: checkpoint.metrics.get(f"{name}_before") for name in SCORES}
    return {**parent.scores, **{name: score for name, score in before.items() if score is not None}}
