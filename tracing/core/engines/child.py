"""A child process that answers questions: started when first asked, watched, restarted, given up."""

import contextlib
import os
import select
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Final

from tracing.core.engines import frames
from tracing.core.errors import EngineFailed

ROOT: Final = Path(__file__).resolve().parents[3]
READ_BYTES: Final = 1 << 16
START_LIMIT_S: Final = 60.0
ATTEMPTS: Final = 3
"""How often in a row a child may die before it is given up for a while."""
PAUSE_S, PAUSE_MAX_S = 0.2, 60.0

# The kernel ends a child with the *thread* that started it, so that thread must live as long as we do.
_starter = ThreadPoolExecutor(1, thread_name_prefix="child-starter")


class ChildDied(Exception):
    """The process ended, or had to be ended, while a question was open."""


class Child:
    """One running process that speaks frames on its pipes. One thread at a time."""

    def __init__(self, arguments: Sequence[str]) -> None:
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  (closed by `kill`)
        command = [sys.executable, "-m", *arguments, str(os.getpid())]
        self.process = _starter.submit(self._start, command).result()
        try:
            self._exchange(b"", START_LIMIT_S)
        except BaseException:
            self.kill()
            raise

    def _start(self, command: list[str]) -> subprocess.Popen[bytes]:
        pipe = subprocess.PIPE
        process = subprocess.Popen(
            command, cwd=ROOT, stdin=pipe, stdout=pipe, stderr=self._errors, bufsize=0, start_new_session=True
        )
        for end in (process.stdin, process.stdout):
            assert end is not None
            os.set_blocking(end.fileno(), False)
        return process

    def ask(self, question: Any, limit_s: float) -> Any:
        """The answer. ChildDied if the process ends; TimeoutError, after killing it, if it takes longer."""
        try:
            return self._exchange(frames.encode(question), limit_s)
        except BaseException:
            self.kill()  # whatever it still writes would be taken for the next answer
            raise

    def kill(self) -> None:
        """End the process, whatever it is doing."""
        self.process.kill()
        self.process.wait()
        for end in (self.process.stdin, self.process.stdout, self._errors):
            if end is not None:
                end.close()

    def _exchange(self, unsent: bytes, limit_s: float) -> Any:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        deadline, received, answer = time.monotonic() + limit_s, bytearray(), None
        source, sink = self.process.stdout.fileno(), self.process.stdin.fileno()
        while answer is None:
            ready = _ready(source, sink if unsent else None, deadline)
            try:
                if sink in ready:
                    unsent = unsent[os.write(sink, unsent[:READ_BYTES]) :]
                if source in ready:
                    received += os.read(source, READ_BYTES) or self._gone()
                    answer = frames.decode(received)
            except (BrokenPipeError, ValueError):
                self._gone()
        return answer

    def _gone(self) -> bytes:
        """Says how the process ended."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(1)
        raise ChildDied(_ending(self.process.poll(), self._last_line()))

    def _last_line(self) -> str:
        self._errors.seek(max(0, os.fstat(self._errors.fileno()).st_size - 4096))
        lines = self._errors.read().decode(errors="replace").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "")


class Supervised:
    """A child that is started lazily, restarted with growing pauses when it dies, and given up if it keeps
    dying. Threads take turns.

    `arguments` gives a context whose value is the module and arguments to start, and which lasts until the
    child is ready. `advice` ends the error of a child that was given up.
    """

    def __init__(self, arguments: Callable[[], AbstractContextManager[Sequence[str]]], advice: str) -> None:
        self._arguments, self._advice = arguments, advice
        self._lock = threading.Lock()
        self._child: Child | None = None
        self._deaths = 0  # in a row
        self._last_death = ""
        self._rested_at = 0.0  # when the next child may be started

    @property
    def pid(self) -> int | None:
        """The process id of the child, None where there is none now."""
        child = self._child
        return child.process.pid if child else None

    def ask(self, question: Any, limit_s: float) -> Any:
        """The child's answer. A child that dies is started again and asked again.

        EngineFailed if it dies ATTEMPTS times in a row, at once while it rests after that, and if it takes
        longer than `limit_s`.
        """
        with self._lock:
            if self._deaths >= ATTEMPTS and time.monotonic() < self._rested_at:
                raise self._failure()
            while True:
                try:
                    return self._ask(question, limit_s)
                except ChildDied as death:
                    self._rest(str(death))
                except TimeoutError:
                    self._rest(f"it did not answer within {limit_s:g} s")
                    raise self._failure() from None
                if self._deaths >= ATTEMPTS:
                    raise self._failure()
                time.sleep(max(0.0, self._rested_at - time.monotonic()))

    def stop(self) -> None:
        """End the child; the next question starts another."""
        with self._lock:
            if self._child is not None:
                self._child.kill()
            self._child = None

    def _ask(self, question: Any, limit_s: float) -> Any:
        if self._child is None:
            with self._arguments() as arguments:
                self._child = Child(arguments)
        try:
            answer = self._child.ask(question, limit_s)
        except BaseException:
            self._child = None
            raise
        self._deaths = 0
        return answer

    def _rest(self, death: str) -> None:
        self._deaths, self._last_death = self._deaths + 1, death
        pause_s = min(PAUSE_MAX_S, PAUSE_S * 4 ** (self._deaths - 1))
        self._rested_at = time.monotonic() + pause_s

    def _failure(self) -> EngineFailed:
        times = f"{self._deaths} times in a row" if self._deaths > 1 else "once"
        return EngineFailed(f"The engine's process failed {times}: {self._last_death}. {self._advice}")


def _ready(source: int, sink: int | None, deadline: float) -> set[int]:
    """Which of the two can be read, or written, now; TimeoutError once the deadline is over."""
    left_ms = 1e3 * (deadline - time.monotonic())
    if left_ms <= 0:
        raise TimeoutError
    poll = select.poll()
    poll.register(source, select.POLLIN)
    if sink is not None:
        poll.register(sink, select.POLLOUT)
    return {descriptor for descriptor, _ in poll.poll(left_ms)}


def _ending(status: int | None, said: str) -> str:
    """How a process ended, in words."""
    words = f"it ended with status {status}"
    if status is not None and status < 0:
        words = f"it was ended by {signal.Signals(-status).name}"
    return f"{words} ({said[:300]})" if said else words
