"""What a job has reported so far, read from its events.jsonl a piece at a time and kept between readings.

Curves of long jobs have millions of points: they stay on disk and in compact arrays, not in the database.
"""

import threading
from array import array
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path

from tracing.cache import Cache
from training.events import Event, EventReader
from training.models import Job

LOG_LINES = 2000
METRICS = (
    "loss",
    "reward",
    "learning_rate",
    "gradient_norm",
    "tokens_per_s",
    "tokens",
    "mfu",
    "memory_bytes",
    "accuracy",
    "margin",
    "kept",
    "asked",
    "answer_tokens",
    "staleness",
    "no_signal",
    "stale",
    "unverified",
    "lost",
    "unused",
    "validation_loss",
)
"""What a line of metrics may hold; each may be absent. Two have another name in some events."""
OTHER_NAMES = {"learning_rate": "lr", "memory_bytes": "memory"}


@dataclass(frozen=True)
class LogLine:
    """One line of a job's log: `t` in Unix seconds, `level` is info, warning or error."""

    t: float
    level: str
    text: str


@dataclass(frozen=True)
class Series:
    """A job's metrics by optimiser step, in step order, one entry a step in each list, NaN where a step has
    none."""

    steps: list[int] = field(default_factory=list)
    loss: list[float] = field(default_factory=list)
    others: Mapping[str, list[float]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.steps)

    def of(self, metric: str) -> list[float]:
        """One of METRICS; empty where no step has it."""
        return self.loss if metric == "loss" else self.others.get(metric, [])

    def latest(self) -> dict[str, float]:
        """The last step's metrics, with `step`, without those that it has not; empty before the first."""
        if not self.steps:
            return {}
        last = {name: values[-1] for name in METRICS if (values := self.of(name))}
        return {"step": self.steps[-1], **{name: value for name, value in last.items() if isfinite(value)}}


class Journal:
    """The metrics and log of one job, up to date after each `refresh`. Safe for threads."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._path = path
        self._start_over()

    def _start_over(self) -> None:
        self._reader = EventReader(self._path)
        self._steps = array("q")
        self._values = {name: array("d") for name in METRICS}
        self._log: deque[LogLine] = deque(maxlen=LOG_LINES)

    def refresh(self) -> None:
        """Reads what was added since the last time; all of it again where the file was replaced."""
        with self._lock:
            if self._path.is_file() and self._path.stat().st_size < self._reader.offset:
                self._start_over()
            for event in self._reader.new_events():
                self._take(event)

    def series(self, max_points: int) -> Series:
        """At most about `max_points` evenly spaced steps, the last one always among them."""
        with self._lock:
            count = len(self._steps)
            stride = max(1, -(-count // max(1, max_points)))
            kept = slice((count - 1) % stride, None, stride) if count else slice(0)
            columns = {name: list(column[kept]) for name, column in self._values.items()}
            return Series(list(self._steps[kept]), columns.pop("loss"), columns)

    def total(self, metric: str) -> float | None:
        """The sum over all steps of what is told as a mean a step; None where some line does not tell it."""
        with self._lock:
            total, before = 0.0, 0
            for step, mean in zip(self._steps, self._values[metric], strict=True):
                total, before = total + mean * (step - before), step
        return total if before and isfinite(total) else None

    def log(self, tail: int) -> list[LogLine]:
        with self._lock:
            return list(self._log)[-tail:] if tail > 0 else []

    def _take(self, event: Event) -> None:
        match event["type"]:
            case "metric":
                self._take_metric(event)
            case "log":
                self._write(event, str(event.get("level") or "info"), event.get("text"))
            case "failed":
                self._write(event, "error", event.get("traceback") or event.get("error"))
            case "checkpoint":
                self._write(event, "info", f"published {event.get('name')}, step {event.get('step')}")
            case "stopped":
                self._write(event, "info", f"stopped to {event.get('how')} after step {event.get('step')}")
            case "done":
                self._write(event, "info", "done")

    def _take_metric(self, event: Event) -> None:
        """Appends a step. A resumed attempt goes back to its last saved step: what came after is dropped."""
        step = int(event["step"])
        while self._steps and self._steps[-1] >= step:
            for column in (self._steps, *self._values.values()):
                column.pop()
        self._steps.append(step)
        for name, column in self._values.items():
            value = event.get(name, event.get(OTHER_NAMES.get(name, name)))
            column.append(float("nan") if value is None else value)

    def _write(self, event: Event, level: str, text: object) -> None:
        for line in str(text or "").splitlines():
            self._log.append(LogLine(float(event.get("t") or 0), level, line))


_journals: Cache[Path, Journal] = Cache(size=64)


def journal_of(job: Job) -> Journal:
    """The job's journal, kept by this process and brought up to date."""
    path = job.directory / "events.jsonl"
    journal = _journals.get(path, lambda: Journal(path))
    journal.refresh()
    return journal


def read_metrics(job: Job, max_points: int = 300) -> Series:
    """The job's curves, thinned out to about `max_points` steps."""
    return journal_of(job).series(max_points)


def read_log(job: Job, tail: int = 200) -> list[LogLine]:
    """The last `tail` lines (2,000 at most) of what the job said, the traceback of a failure included."""
    return journal_of(job).log(tail)
