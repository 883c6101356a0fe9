"""All checkpoints: by flow and stage, each stage's last one on top of its intermediate ones."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Q

from training.checkpoint_pages.kinds import flow_name, kind_of, origin_of, place_in_flow
from training.checkpoint_pages.sparkline import Sparkline, sparkline
from training.models import Checkpoint

SORTS = {
    "flow": "order of the flow",
    "new": "newest",
    "name": "name",
    "greedy": "best greedy",
    "sampled": "best sampled",
    "cost": "most CPU time",
}
SCORES = ("greedy", "sampled")
WORDS_MAX = 100


@dataclass(frozen=True)
class Row:
    """A checkpoint in the list."""

    checkpoint: Checkpoint
    kind: str
    origin: str

    @classmethod
    def of(cls, checkpoint: Checkpoint) -> "Row":
        return cls(checkpoint, kind_of(checkpoint), origin_of(checkpoint, list(checkpoint.parents.all())))

    @property
    def scores(self) -> list[float | None]:
        return [self.checkpoint.scores.get(name) for name in SCORES]

    @property
    def cpu_s(self) -> float | None:
        """Of its own stage."""
        return self.checkpoint.cost.get("cpu_s")


@dataclass(frozen=True)
class StageRows:
    """A stage: its last checkpoint, and those before it."""

    name: str
    head: Row
    earlier: list[Row]
    curve: Sparkline | None


@dataclass(frozen=True)
class FlowRows:
    """A flow's stages; `name` is empty for checkpoints that no flow of this site made."""

    name: str
    stages: list[StageRows]
    curves: list[tuple[str, Sparkline]]

    @property
    def count(self) -> int:
        return sum(1 + len(stage.earlier) for stage in self.stages)


@dataclass(frozen=True)
class Listing:
    """Either flows, or in another order than the flow's one list of rows."""

    total: int
    found: int
    flows: list[FlowRows] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)


def list_checkpoints(*, words: str = "", flow: str = "", sort: str = "flow") -> Listing:
    """The checkpoints whose names or stages hold all the words, of one flow or of all."""
    every = Checkpoint.objects.select_related("job__flow").prefetch_related("parents")
    rows = [Row.of(checkpoint) for checkpoint in every.filter(matching(words, flow))]
    total = Checkpoint.objects.count()
    if sort in KEYS:
        return Listing(total, len(rows), rows=sorted(rows, key=KEYS[sort]))
    return Listing(total, len(rows), flows=by_flow(rows))


def matching(words: str, flow: str) -> Q:
    asked = Q(job__flow__name=flow) if flow else Q()
    for word in words[:WORDS_MAX].split():
        asked &= Q(name__icontains=word) | Q(stage__icontains=word)
    return asked


def best(score: str) -> Callable[[Row], float]:
    return lambda row: -row.checkpoint.scores.get(score, -1.0)


KEYS: dict[str, Callable[[Row], Any]] = {
    "new": lambda row: (-row.checkpoint.created_at.timestamp(), -row.checkpoint.pk),
    "name": lambda row: row.checkpoint.name,
    "greedy": best("greedy"),
    "sampled": best("sampled"),
    "cost": lambda row: -(row.cpu_s or -1.0),
}


def by_flow(rows: Sequence[Row]) -> list[FlowRows]:
    """Newest flow first; what belongs to none comes last."""
    flows: dict[str, list[Row]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: flow_age(row.checkpoint)):
        flows[flow_name(row.checkpoint)].append(row)
    return [flow_rows(name, found) for name, found in flows.items()]


def flow_age(checkpoint: Checkpoint) -> tuple[bool, float]:
    flow = checkpoint.job.flow if checkpoint.job else None
    return flow is None, -flow.created_at.timestamp() if flow else 0.0


def flow_rows(name: str, rows: Sequence[Row]) -> FlowRows:
    stages: dict[object, list[Row]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: place_in_flow(row.checkpoint)):
        stages[row.checkpoint.job_id or row.checkpoint.name].append(row)
    grouped = [stage_rows(found) for found in stages.values()]
    heads = [stage.head for stage in grouped] if name else []
    drawn = ((score, curve_of(heads, score)) for score in SCORES)
    return FlowRows(name, grouped, [(score, curve) for score, curve in drawn if curve])


def stage_rows(rows: list[Row]) -> StageRows:
    *earlier, head = rows
    curve = next((curve for score in SCORES if (curve := curve_of(rows, score))), None)
    return StageRows(head.checkpoint.stage, head, earlier[::-1], curve)


def curve_of(rows: Sequence[Row], score: str) -> Sparkline | None:
    return sparkline([row.checkpoint.scores.get(score) for row in rows], score)
