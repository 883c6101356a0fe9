"""What a job has cost over all its attempts, and a checkpoint with all that it descends from."""

import json
import resource
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from training.core.checkpoints import CheckpointManifest, read_checkpoint


@dataclass(frozen=True)
class Cost:
    """Processor time of all cores, accelerator time of all devices, wall time, and tokens trained on."""

    cpu_s: float = 0.0
    gpu_s: float = 0.0
    wall_s: float = 0.0
    tokens: float = 0.0

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(Cost)))

    def furthest(self, other: "Cost") -> "Cost":
        """Of two stations of one run, whose costs only grow."""
        return Cost(*(max(getattr(self, f.name), getattr(other, f.name)) for f in fields(Cost)))

    @classmethod
    def of(cls, written: Mapping[str, float]) -> "Cost":
        """From what a manifest holds; what it does not say counts as nothing."""
        known = (written.get(field.name) for field in fields(cls))
        return cls(*(float(value) if value else 0.0 for value in known))

    def to_json(self) -> dict[str, float]:
        return {name: round(value, 1) for name, value in asdict(self).items()}


class CostBook:
    """JOB_DIR/cost.json: what earlier attempts at the job have used up, and this process since it began.

    An attempt that was killed counts up to the last time that it saved; work that had to be done again
    counts twice, because it was paid for twice. Where several processes train together, they work alike:
    this one's time is counted for each.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / "cost.json"
        self._earlier = self._read()
        self._began = time.monotonic()

    def so_far(self, tokens: float) -> Cost:
        wall_s = time.monotonic() - self._began
        processes, on_gpu = processes_at_work()
        gpu_s = wall_s * processes if on_gpu else 0.0
        return self._earlier + Cost(processes * cpu_seconds(), gpu_s, wall_s, tokens)

    def save(self) -> None:
        """Keep it for the next attempt. Raises OSError."""
        partial = self._path.with_suffix(".partial")
        partial.write_text(json.dumps(self.so_far(0).to_json()))
        partial.replace(self._path)

    def _read(self) -> Cost:
        try:
            return Cost.of(json.loads(self._path.read_text()))
        except (OSError, ValueError, AttributeError, TypeError):
            return Cost()


def cpu_seconds() -> float:
    """Of this process and the children that it has waited for."""
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in used)


def processes_at_work() -> tuple[int, bool]:
    """How many processes train together, and whether each has an accelerator; torch is asked only where it
    is loaded already."""
    torch: Any = sys.modules.get("torch")
    if torch is None:
        return 1, False
    together = torch.distributed.is_available() and torch.distributed.is_initialized()
    return torch.distributed.get_world_size() if together else 1, bool(torch.cuda.is_initialized())


def lineage_cost(own: Cost, parents: Iterable[str], checkpoints: Path) -> Cost:
    """`own` and what the checkpoints of these names and all their ancestors have cost, in the folder
    `checkpoints`. Raises CheckpointError where one is missing.

    Several checkpoints of one job are stations of one cost, not several: the furthest of them counts. So it
    is with the runs that an average was made of.
    """
    furthest: dict[tuple[str, str], Cost] = {}
    for manifest in ancestors(parents, checkpoints):
        run = (manifest.job or manifest.name, manifest.stage)
        furthest[run] = furthest.get(run, Cost()).furthest(Cost.of(manifest.cost))
    return sum(furthest.values(), own)


def ancestors(parents: Iterable[str], checkpoints: Path) -> list[CheckpointManifest]:
    """Manifests of the checkpoints of these names and of all that they descend from, each once."""
    found: dict[str, CheckpointManifest] = {}
    waiting = list(parents)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found[name] = read_checkpoint(checkpoints / name)
            waiting += found[name].parents
    return list(found.values())
