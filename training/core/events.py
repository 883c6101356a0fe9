"""What a job tells the world: one JSON object a line in JOB_DIR/events.jsonl.

A thread repeats the current progress with a fresh ETA every second, so a long call is not mistaken for a dead
process.
"""

import json
import threading
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

PROGRESS_S = 0.8


class Events:
    """Appends events; a context manager that keeps the progress ticking. Threads may share it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "events.jsonl"
        _end_broken_line(self.path)
        self._file = self.path.open("a", encoding="utf-8")
        self._lock = threading.Lock()
        self._progress = Progress(self)
        self._stopped = threading.Event()
        self._ticker = threading.Thread(target=self._tick, name="progress", daemon=True)

    def write(self, kind: str, **fields: Any) -> None:
        """Append one event. Raises OSError where the disk refuses."""
        line = json.dumps({"t": round(time.time(), 3), "type": kind, **fields}, allow_nan=False)
        with self._lock:
            self._file.write(line + "\n")
            self._file.flush()

    def log(self, text: str, level: str = "info") -> None:
        self.write("log", text=text, level=level)

    def progress(self, phase: str, done: float, total: float, unit: str, eta_s: float | None = None) -> None:
        """Say how far the job is. Written at most every PROGRESS_S seconds, except where the phase
        changes."""
        self._progress.set(phase, done, total, unit, eta_s)

    def __enter__(self) -> Self:
        self._ticker.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped.set()
        self._ticker.join()
        with suppress(OSError):  # what the disk did not take was told by `write`
            self._file.close()

    def _tick(self) -> None:
        while not self._stopped.wait(PROGRESS_S):
            try:
                self._progress.repeat()
            except OSError:  # the stage itself will meet the full disk and say so
                return


class Progress:
    """The last progress that was said, and when it was written."""

    def __init__(self, events: Events) -> None:
        self._events = events
        self._fields: dict[str, Any] = {}
        self._eta_at: float | None = None
        self._written = 0.0
        self._lock = threading.Lock()

    def set(self, phase: str, done: float, total: float, unit: str, eta_s: float | None) -> None:
        with self._lock:
            changed = self._fields.get("phase") != phase
            self._fields = {"phase": phase, "done": done, "total": total, "unit": unit}
            self._eta_at = None if eta_s is None else time.monotonic() + eta_s
            if changed or time.monotonic() - self._written >= PROGRESS_S:
                self._write()

    def repeat(self) -> None:
        with self._lock:
            if self._fields and time.monotonic() - self._written >= PROGRESS_S:
                self._write()

    def _write(self) -> None:
        self._written = time.monotonic()
        eta_s = None if self._eta_at is None else round(max(0.0, self._eta_at - self._written), 1)
        self._events.write("progress", **self._fields, eta_s=eta_s)


def _end_broken_line(path: Path) -> None:
    """Ends a half-written last line of a killed process, so that the next event has a line of its own."""
    if path.is_file() and path.stat().st_size:
        with path.open("rb+") as file:
            file.seek(-1, 2)
            if file.read(1) != b"\n":
                file.write(b"\n")
