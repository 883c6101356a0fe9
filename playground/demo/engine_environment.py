"""The engines' own Python environment, installed while the page is already up."""

import shutil
import subprocess
import time

from django.conf import settings

from config import environment
from playground.demo.supervisor import ProgramState, Supervisor

PROGRAM = "engine-environment"
RETRY_S = 30.0


def needs_install() -> bool:
    """Whether `make engine` has something to do. An operator's own HEADWATER_ENGINE_PYTHON is left alone."""
    if environment.ENGINE_PYTHON.text() != environment.ENGINE_PYTHON.default or not shutil.which("make"):
        return False
    question = ["make", "--question", "--no-print-directory", "engine"]
    return subprocess.run(question, cwd=settings.BASE_DIR, capture_output=True, check=False).returncode != 0


class EngineEnvironment:
    """Follows the install and starts the engines once it is done; a failed one is tried again."""

    def __init__(self, supervisor: Supervisor, retry_s: float = RETRY_S) -> None:
        self.supervisor = supervisor
        self.retry_s = retry_s
        self.failed_at: float | None = None

    def follow(self) -> str:
        """One look. Returns what a person should know now, or nothing."""
        states = self.supervisor.states()
        if PROGRAM not in states or "engines" not in states:
            return ""
        install = states[PROGRAM]
        if install.ended_well:
            self.start_engines(states["engines"])
            return ""
        if install.running:
            return self.progress()
        return self.retry()

    def start_engines(self, engines: ProgramState) -> None:
        if engines.state == "STOPPED":
            self.supervisor.start_program("engines")

    def progress(self) -> str:
        last = self.supervisor.log_tail(PROGRAM, 1).strip()
        return f"Installing the engine into .venv-engine; chat works once it is there. {last}".rstrip()

    def retry(self) -> str:
        now = time.monotonic()
        if self.failed_at is None:
            self.failed_at = now
        if now - self.failed_at > self.retry_s:
            self.failed_at = None
            self.supervisor.start_program(PROGRAM)
        return f"The engine could not be installed and is tried again: see logs/{PROGRAM}.log"
