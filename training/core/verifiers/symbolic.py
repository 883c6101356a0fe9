"""Comparing expressions in a process of their own, which is ended when one takes too long."""

import json
import os
import selectors
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from training.core.verifiers.verdict import VerifierError

ROOT = Path(__file__).resolve().parents[3]
START_S = 60.0
CHUNK = 1 << 16


ATTEMPTS = 2
"""A child may have died of something else than the question."""


class TooSlow(Exception):
    """The comparison did not end in time, or took its process with it."""


class Lost(Exception):
    """The child has ended."""


class Comparer:
    """Asks a `symbolic_child`, started when first needed and again after it was lost. Threads may share one;
    they wait for each other."""

    def __init__(self, *, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None

    def same(self, reference: str, statement: str) -> bool:
        """Whether the two are the same; False for what cannot be parsed. Raises TooSlow, or VerifierError
        where the child cannot start."""
        with self._lock:
            for _ in range(ATTEMPTS):
                try:
                    fact = self._ask(self._ready(), [reference, statement], self._timeout_s)
                    return bool(fact.get("same"))
                except Lost:
                    self._end()
                except TooSlow:
                    self._end()
                    raise
            raise TooSlow

    def close(self) -> None:
        with self._lock:
            self._end()

    def _ready(self) -> "subprocess.Popen[bytes]":
        if self._process is None or self._process.poll() is not None:
            self._end()
            self._process = self._start()
        return self._process

    def _start(self) -> "subprocess.Popen[bytes]":
        with tempfile.TemporaryFile() as errors:
            process = subprocess.Popen(
                [sys.executable, "-X", "utf8", "-m", "training.core.verifiers.symbolic_child"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env={},
                cwd=ROOT,
                start_new_session=True,
            )
            try:
                fact = self._ask(process, None, START_S)
            except (Lost, TooSlow):
                fact = {}
            if "ready" not in fact:
                process.kill()
                process.communicate()
                errors.seek(0)
                said = fact.get("refused") or errors.read().decode(errors="replace").strip()[-500:]
                raise VerifierError(f"expressions cannot be compared here: {said or 'no answer'}")
        return process

    def _ask(self, process: "subprocess.Popen[bytes]", question: Any, timeout_s: float) -> Any:
        """The child's next fact. Raises TooSlow, or Lost where the child has ended."""
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            if question is not None:
                process.stdin.write(json.dumps(question).encode() + b"\n")
                process.stdin.flush()
            return json.loads(_line(process.stdout.fileno(), time.monotonic() + timeout_s))
        except BrokenPipeError:
            raise Lost from None

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


def _line(descriptor: int, deadline: float) -> bytes:
    """A line. Raises TooSlow or Lost where the time is up or the stream ends before the line does."""
    line = b""
    with selectors.DefaultSelector() as selector:
        selector.register(descriptor, selectors.EVENT_READ)
        while not line.endswith(b"\n"):
            if not selector.select(max(0.0, deadline - time.monotonic())):
                raise TooSlow
            data = os.read(descriptor, CHUNK)
            if not data:
                raise Lost
            line += data
    return line
