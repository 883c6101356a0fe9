"""What the lineage graph shows as one node: a stage's last checkpoint, with its intermediate ones as dots."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from training.checkpoint_pages.kinds import flow_name, kind_of, origin_of
from training.models import Checkpoint

DOTS_MAX = 5


@dataclass(frozen=True)
class Station:
    """`parents` are keys of stations; `dots` intermediate checkpoints, of which `more` are not shown."""

    key: str
    head: Checkpoint
    parents: list[str]
    dots: list[Checkpoint]
    more: int
    kind: str
    origin: str
    note: str
    is_current: bool

    @property
    def flow(self) -> str:
        return flow_name(self.head)

    @property
    def score(self) -> str:
        """`81 % greedy`, else `38 % sampled`, else nothing."""
        for name in ("greedy", "sampled"):
            if name in self.head.scores:
                return f"{100 * self.head.scores[name]:.0f} % {name}"
        return ""

    @property
    def words(self) -> str:
        """For those who hear the graph."""
        of = f"{len(self.dots) + self.more + 1} checkpoints" if self.dots else ""
        parts = [self.head.name, self.head.stage, self.kind, self.origin, self.note, self.score, of]
        return ", ".join(part for part in parts if part)


def stations(checkpoints: Iterable[Checkpoint], current: Checkpoint | None = None) -> list[Station]:
    """Stations of these checkpoints, oldest first; parents that are not among them are left out."""
    groups: dict[str, list[Checkpoint]] = defaultdict(list)
    for checkpoint in checkpoints:
        groups[key_of(checkpoint)].append(checkpoint)
    station_of = {one.pk: key for key, group in groups.items() for one in group}
    heads = {key: max(group, key=lambda one: (one.final, one.step)) for key, group in groups.items()}
    shown = {head.pk for head in heads.values()}
    return [station(key, heads[key], group, station_of, shown, current) for key, group in groups.items()]


def station(
    key: str,
    head: Checkpoint,
    group: Sequence[Checkpoint],
    station_of: dict[int, str],
    heads: Collection[int],
    current: Checkpoint | None,
) -> Station:
    parents = list(head.parents.all())
    first = min(group, key=lambda one: one.step)
    outside = [*parents, *first.parents.all()]
    keys = dict.fromkeys(station_of[p.pk] for p in outside if station_of.get(p.pk, key) != key)
    earlier = sorted((one for one in group if one.pk != head.pk), key=lambda one: one.step)
    dots = spaced(earlier, DOTS_MAX)
    return Station(
        key=key,
        head=head,
        parents=list(keys),
        dots=dots,
        more=len(earlier) - len(dots),
        kind=kind_of(head),
        origin=origin_of(head, parents),
        note=branch_note(outside, heads, station_of, key),
        is_current=current is not None and station_of.get(current.pk) == key,
    )


def key_of(checkpoint: Checkpoint) -> str:
    return f"job-{checkpoint.job_id}" if checkpoint.job_id else f"checkpoint-{checkpoint.pk}"


def branch_note(
    parents: Sequence[Checkpoint], heads: Collection[int], station_of: dict[int, str], key: str
) -> str:
    """Where it starts from the middle of a stage."""
    middle = next((p for p in parents if p.pk not in heads and station_of.get(p.pk, key) != key), None)
    return f"from step {middle.step:,}" if middle else ""


def spaced(checkpoints: Sequence[Checkpoint], most: int) -> list[Checkpoint]:
    """At most so many, evenly spread, the last among them."""
    count = len(checkpoints)
    if count <= most:
        return list(checkpoints)
    return [checkpoints[(place + 1) * count // most - 1] for place in range(most)]
