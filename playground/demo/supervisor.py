"""supervisord as a child process: starts the programs, restarts those that die, stops them all."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import xmlrpc.client
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from supervisor.xmlrpc import SupervisorTransport

from playground.demo import leftovers
from playground.demo.programs import Program, configuration

PR_SET_PDEATHSIG = 1
STOP_WAIT_S = 45.0
NOT_ANSWERING = (OSError, xmlrpc.client.Error, ValueError)
libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


@dataclass(frozen=True)
class ProgramState:
    """What supervisord says of a program. `state` is one of its own words: RUNNING, BACKOFF, EXITED, ..."""

    name: str
    state: str
    exit_status: int
    pid: int

    @property
    def running(self) -> bool:
        return self.state == "RUNNING"

    @property
    def ended_well(self) -> bool:
        return self.state == "EXITED" and self.exit_status == 0


class Supervisor:
    """A supervisord of our own. As a context manager it leaves no process behind."""

    def __init__(self, programs: Sequence[Program], home: Path, socket: Path) -> None:
        self.programs = {program.name: program for program in programs}
        self.home = home
        self.socket = socket
        self.restarts = 0

    def __enter__(self) -> "Supervisor":
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        self.socket.unlink(missing_ok=True)
        path = self.home / "run" / "supervisord.conf"
        path.write_text(configuration(list(self.programs.values()), self.socket))
        command = [sys.executable, "-m", "supervisor.supervisord", "--configuration", str(path)]
        with (self.home / "logs" / "supervisord.out").open("ab") as output:
            self.process = subprocess.Popen(
                command,
                cwd=self.home,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C then reaches this process alone, which stops all in order
                preexec_fn=die_with_parent,
            )

    def revive(self) -> bool:
        """Starts supervisord again where it has died, after what it left running. True if it had to."""
        if self.process.poll() is None:
            return False
        leftovers.stop_all(self.home)
        self.start()
        self.restarts += 1
        return True

    def stop(self) -> None:
        """Stops every program in order, then whatever is left of this data directory."""
        self.process.terminate()
        try:
            self.process.wait(STOP_WAIT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        leftovers.stop_all(self.home)

    def states(self) -> dict[str, ProgramState]:
        """Every program's state by its name; empty while supervisord does not answer."""
        try:
            rows: Any = self.remote().getAllProcessInfo()
        except NOT_ANSWERING:
            return {}
        return {
            row["name"]: ProgramState(row["name"], row["statename"], row["exitstatus"], row["pid"])
            for row in rows
        }

    def start_program(self, name: str) -> None:
        """Starts a program that is not running; a supervisord that does not answer is asked again later."""
        with contextlib.suppress(*NOT_ANSWERING):
            self.remote().startProcess(f"{self.programs[name].group}:{name}", False)

    def remote(self) -> Any:
        transport = SupervisorTransport(None, None, f"unix://{self.socket}")
        return xmlrpc.client.ServerProxy("http://localhost", transport=transport).supervisor

    def log_tail(self, name: str, lines: int = 8) -> str:
        return log_tail(self.home / "logs" / f"{name}.log", lines)


def log_tail(path: Path, lines: int) -> str:
    """The last lines of a log, or nothing where there is none yet."""
    with contextlib.suppress(OSError), path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 16_384))
        return "\n".join(file.read().decode(errors="replace").splitlines()[-lines:])
    return ""


def die_with_parent() -> None:
    """Runs in the child: the kernel asks supervisord to stop when the demo dies, even by kill -9."""
    if libc is not None:
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() == 1:
        os.kill(os.getpid(), signal.SIGTERM)
