"""How far a long command has come: a bar on a terminal, a line now and then elsewhere."""

import time
from types import TracebackType
from typing import Self

from django.core.management.base import OutputWrapper
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

EVERY_S = 5.0


class CommandProgress:
    """Tells phase, share, what was counted and the time left on `stream`, by default a command's stderr."""

    def __init__(self, stream: OutputWrapper) -> None:
        self._stream, self._bar = stream, None
        self._phase, self._began, self._told = "", (0.0, 0.0), 0.0
        if stream.isatty():
            columns = TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f}%")
            found = TextColumn("{task.fields[found]}")
            self._bar = Progress(*columns, TimeRemainingColumn(), found, console=Console(stderr=True))

    def tell(self, phase: str, share: float, found: str = "") -> None:
        """`share` of `phase` is done, from 0 to 1."""
        now = time.monotonic()
        new = phase != self._phase
        if new:
            self._phase, self._began = phase, (now, share)
        if self._bar is not None:
            self._draw(phase, share, found, new=new)
        elif new or now - self._told > EVERY_S:
            self._told = now
            left = self._left(now, share)
            self._stream.write(" · ".join(part for part in (f"{phase} {share:.0%}", found, left) if part))

    def __enter__(self) -> Self:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def _draw(self, phase: str, share: float, found: str, *, new: bool) -> None:
        assert self._bar is not None
        if new:
            for task in self._bar.task_ids:
                self._bar.stop_task(task)
            self._bar.add_task(phase, total=1.0, found=found)
        self._bar.update(self._bar.task_ids[-1], completed=share, found=found)

    def _left(self, now: float, share: float) -> str:
        """The time to go, if the rest of the phase takes as long as what was done of it."""
        since, first = self._began
        if share <= first or share >= 1:
            return ""
        seconds = round((now - since) / (share - first) * (1 - share))
        return f"{seconds // 60}m{seconds % 60:02d}s to go"
