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


class TooSlow(Exception):
    """The comparison did not end in time, or took its process with it."""


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
            process = self._ready()
            fact = self._ask(process, [reference, statement], self._timeout_s)
            if fact is None:
                self._end()
                raise TooSlow
            return bool(fact.get("same"))

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
            fact = self._ask(process, None, START_S)
            if not fact or "ready" not in fact:
                process.kill()
                process.wait()
                errors.seek(0)
                said = (fact or {}).get("refused") or errors.read().decode(errors="replace").strip()[-500:]
                raise VerifierError(f"expressions cannot be compared here: {said or 'no answer'}")
        return process

    def _ask(self, process: "subprocess.Popen[bytes]", question: Any, timeout_s: float) -> Any:
        """The child's next line; None where none comes in time."""
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            if question is not None:
                process.stdin.write(json.dumps(question).encode() + b"\n")
                process.stdin.flush()
            line = _line(process.stdout.fileno(), time.monotonic() + timeout_s)
        except BrokenPipeError:
            return None
        return json.loads(line) if line else None

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


def _line(descriptor: int, deadline: float) -> bytes:
    """A line; nothing where the stream ends or the time is up before the line does."""
    line = b""
    with selectors.DefaultSelector() as selector:
        selector.register(descriptor, selectors.EVENT_READ)
        while not line.endswith(b"\n"):
            if not selector.select(max(0.0, deadline - time.monotonic())):
                return b""
            data = os.read(descriptor, CHUNK)
            if not data:
                return b""
            line += data
    return line
