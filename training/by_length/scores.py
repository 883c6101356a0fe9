"""Scores by length, as checkpoints keep them: `needle@512` among the scores, `needle@512_before` among the
metrics."""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from training.models import Checkpoint, Flow

KINDS = ("needle", "count", "copy", "loss")
SHARES = KINDS[:3]
"""All but the loss, which is in nats a token."""
NAME = re.compile(rf"({'|'.join(KINDS)})@([0-9]{{1,9}})")


@dataclass(frozen=True)
class LengthScore:
    """One measure of a checkpoint at one length in tokens; `before`: of its start, None where unknown."""

    kind: str
    tokens: int
    before: float | None
    after: float

    def to_json(self) -> dict[str, Any]:
        fields = asdict(self)
        return {"score": fields.pop("kind"), **fields}


def length_scores(checkpoint: Checkpoint) -> list[LengthScore]:
    """The checkpoint's scores by length, kind by kind, the shortest first; none where none were measured."""
    return read_scores(checkpoint.scores, checkpoint.metrics)


def read_scores(scores: Mapping[str, Any], metrics: Mapping[str, Any]) -> list[LengthScore]:
    found = [
        LengthScore(match[1], int(match[2]), number(metrics.get(f"{name}_before")), float(value))
        for name, value in scores.items()
        if (match := NAME.fullmatch(name)) and number(value) is not None
    ]
    return sorted(found, key=lambda one: (KINDS.index(one.kind), one.tokens))


def number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def measured_by_length(flow: Flow) -> list[tuple[Checkpoint, list[LengthScore]]]:
    """The flow's final checkpoints that were measured by length, with their scores."""
    finals = Checkpoint.objects.filter(job__flow=flow, final=True).order_by("job__position")
    return [(checkpoint, scores) for checkpoint in finals if (scores := length_scores(checkpoint))]
