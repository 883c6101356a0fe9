"""Running Python that a model wrote, in a process that is confined, watched and always ended."""

import dataclasses
import json
import os
import secrets
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from training.core.verifiers.confinement.confine import REQUIRED
from training.core.verifiers.confinement.limits import Limits

CHILD = Path(__file__).with_name("child.py")
CHUNK = 1 << 16
REPORT_BYTES_MAX = 1 << 16


@dataclass(frozen=True)
class Ran:
    """How a run ended."""

    passed: bool
    """The code, and the test after it, ended without an exception."""
    reason: str
    """Why not, in a line; "ran to its end" if it did."""
    output: str = ""
    """What was printed on standard output, as far as it fits."""
    missing: dict[str, str] = field(default_factory=dict)
    """Protections that this machine could not give, each with why."""


def run_code(code: str, *, stdin: str = "", test: str = "", limits: Limits | None = None) -> Ran:
    """Run `code` as a program that reads `stdin`, then `test` in the same namespace.

    It sees Python's own library, an empty working directory and no environment. Nothing that it starts
    outlives the call. Where this machine cannot keep it from files, network and processes, it is not run and
    the reason says so. The test runs in the code's own process: compare `output` instead where code may be
    written to deceive.
    """
    bounds = limits or Limits()
    token = secrets.token_hex(16)
    job = {"code": code, "test": test, "token": token, "limits": dataclasses.asdict(bounds)}
    with tempfile.TemporaryDirectory(prefix="headwater-answer-") as folder:
        seen = _watch(job | {"required": sorted(REQUIRED)}, stdin, Path(folder), bounds)
    return _judge(seen, token)


@dataclass
class _Seen:
    """What came out of the process: bytes by stream, its status, and what made us end it."""

    streams: dict[str, bytearray]
    status: int = 0
    stopped: str = ""


def _watch(job: dict[str, Any], stdin: str, folder: Path, limits: Limits) -> _Seen:
    report, told = os.pipe()
    with tempfile.TemporaryFile() as job_file, tempfile.TemporaryFile() as input_file:
        _fill(job_file, json.dumps(job).encode())
        _fill(input_file, stdin.encode("utf-8", "surrogateescape"))
        command = [sys.executable, "-I", "-S", "-X", "utf8", str(CHILD), str(job_file.fileno()), str(told)]
        process = subprocess.Popen(
            command,
            stdin=input_file,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=[job_file.fileno(), told],
            env={},
            cwd=folder,
            start_new_session=True,
        )
        os.close(told)
    with process, os.fdopen(report, "rb") as reported:
        try:
            return _collect(process, reported, limits)
        finally:
            _end(process)


def _fill(file: IO[bytes], content: bytes) -> None:
    file.write(content)
    file.seek(0)


def _collect(process: "subprocess.Popen[bytes]", report: IO[bytes], limits: Limits) -> _Seen:
    """Read until all streams end, the time is up or too much has come; the process is dead afterwards."""
    deadline = time.monotonic() + limits.wall_s
    seen = _Seen({"output": bytearray(), "errors": bytearray(), "report": bytearray()})
    bounds = {"output": limits.output_bytes, "errors": limits.output_bytes, "report": REPORT_BYTES_MAX}
    assert process.stdout is not None
    assert process.stderr is not None
    with selectors.DefaultSelector() as selector:
        for name, stream in (("output", process.stdout), ("errors", process.stderr), ("report", report)):
            selector.register(stream, selectors.EVENT_READ, name)
        while selector.get_map() and not seen.stopped:
            ready = selector.select(max(0.0, deadline - time.monotonic()))
            if not ready:
                seen.stopped = f"took longer than {limits.wall_s:g} s"
            for key, _ in ready:
                data = os.read(key.fd, CHUNK)
                seen.streams[key.data] += data
                if not data:
                    selector.unregister(key.fileobj)
                elif len(seen.streams[key.data]) > bounds[key.data]:
                    seen.stopped = f"printed more than {limits.output_bytes:,} bytes"
    try:
        seen.status = process.wait(0 if seen.stopped else max(0.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        seen.stopped = seen.stopped or f"took longer than {limits.wall_s:g} s"
        _end(process)
    return seen


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Kill the whole process group, and wait for it."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _judge(seen: _Seen, token: str) -> Ran:
    facts = _facts(seen.streams["report"])
    missing = next((fact["missing"] for fact in facts[:1] if "missing" in fact), None)
    output = seen.streams["output"].decode(errors="replace")
    if missing is None:
        return Ran(False, _last_line(seen) or "the sandbox did not start")
    if unsafe := sorted(REQUIRED & missing.keys()):
        reasons = ", ".join(f"{name} ({missing[name]})" for name in unsafe)
        return Ran(False, f"not run: this machine cannot confine {reasons}", missing=missing)
    passed = not seen.stopped and seen.status == 0 and any(f.get("token") == token for f in facts)
    reason = "ran to its end" if passed else seen.stopped or _why(seen)
    return Ran(passed, reason, output, missing)


def _facts(report: bytes | bytearray) -> list[dict[str, Any]]:
    """The report's lines; the code may have written others between them."""
    facts = []
    for line in bytes(report).splitlines():
        try:
            fact = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(fact, dict):
            facts.append(fact)
    return facts


def _why(seen: _Seen) -> str:
    if seen.status < 0:
        name = signal.Signals(-seen.status).name
        return "used more than its CPU time" if name in ("SIGXCPU", "SIGKILL") else f"ended by {name}"
    return _last_line(seen) or f"ended early with status {seen.status}"


def _last_line(seen: _Seen) -> str:
    """The exception, as a traceback ends with it."""
    lines = seen.streams["errors"].decode(errors="replace").strip().splitlines()
    return lines[-1][:300] if lines else ""
