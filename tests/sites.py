"""A whole Headwater in processes of its own, started as a newcomer starts it: `manage.py demo`."""

import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing, suppress
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx
import psutil

from playground.demo import leftovers
from playground.demo.supervisor import Supervisor, log_tail

ROOT = Path(__file__).resolve().parent.parent
PAGE_WAIT_S = 120.0
TRAINING_WAIT_S = 900.0
ENGINE_WAIT_S = 300.0
STOP_WAIT_S = 90.0
OWN_SETTINGS = {"SECRET_KEY", "DATABASE_URL", "REDIS_URL", "ELASTICSEARCH_URL", "DEBUG", "ALLOWED_HOSTS"}


class DemoSite:
    """One data directory and port, and the demo that runs from them. `extra` are environment variables."""

    def __init__(self, *, recipe: str = "test", **extra: str) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="headwater-site-"))  # short: sockets live below it
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.recipe = recipe
        kept = {
            k: v for k, v in os.environ.items() if k not in OWN_SETTINGS and not k.startswith("HEADWATER_")
        }
        self.environ = {**kept, "HEADWATER_HOME": str(self.home), "HEADWATER_ENGINE_SLOTS": "1", **extra}
        # One thread: other tests share the cores, and two on shared cores are slower than one.
        self.environ.setdefault("HEADWATER_THREADS", "1")
        self.output = self.home / "output.txt"
        self.process: subprocess.Popen[bytes] | None = None

    def command(self, *arguments: str) -> list[str]:
        options = ["--port", str(self.port), "--recipe", self.recipe, "--no-browser"]
        return [sys.executable, "manage.py", "demo", *options, *arguments]

    def start(self) -> "DemoSite":
        """Starts the demo and waits until it says that its page is up, and the page answers."""
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                self.command(),
                cwd=ROOT,
                env=self.environ,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        self.wait_until(lambda: self.says("The page is up") and self.is_up(), "the page", PAGE_WAIT_S)
        return self

    def says(self, words: str) -> bool:
        """Whether the command has printed these words. Fails where it has ended."""
        assert self.process is not None
        assert self.process.poll() is None, f"the demo ended:\n{self.output.read_text()}"
        return words in self.output.read_text()

    def interrupt(self, number: int = signal.SIGINT) -> int:
        """Ctrl-C, or another signal; returns the exit status."""
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(STOP_WAIT_S)

    def kill_everything(self) -> None:
        """kill -9 of the demo command and all that it started, as a power cut would."""
        assert self.process is not None
        processes = leftovers.processes_of(self.home)
        self.process.kill()
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(processes, timeout=10)
        self.process.wait()

    def remove(self) -> None:
        """Stops what still runs and deletes the data directory."""
        if self.process is not None and self.process.poll() is None:
            self.interrupt()
        leftovers.stop_all(self.home)
        shutil.rmtree(self.home, ignore_errors=True)

    def processes(self) -> list[psutil.Process]:
        return leftovers.processes_of(self.home)

    def pid(self, program: str) -> int:
        """Process id of a supervised program that runs, else 0."""
        states = Supervisor([], self.home, self.home / "run" / "supervisor.sock").states()
        return states[program].pid if program in states and states[program].running else 0

    def get(self, path: str, **options: Any) -> httpx.Response:
        return httpx.get(self.url + path, timeout=30, trust_env=False, **options)

    def is_up(self) -> bool:
        with suppress(httpx.HTTPError):
            return self.get("/health").status_code == 200
        return False

    def is_ready(self) -> bool:
        with suppress(httpx.HTTPError):
            return self.get("/ready").status_code == 200
        return False

    def rows(self, query: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Rows of the site's own database, read beside the running site."""
        with closing(
            sqlite3.connect(f"file:{self.home}/db.sqlite3?mode=ro", uri=True, timeout=20)
        ) as database:
            return database.execute(query, parameters).fetchall()

    def is_trained(self) -> bool:
        jobs = self.rows("SELECT stage, state, error FROM training_job")
        failed = [job for job in jobs if job[1] == "failed"]
        assert not failed, f"stages failed: {failed}"
        return bool(jobs) and all(state == "succeeded" for _, state, _ in jobs)

    def wait_until(self, condition: Callable[[], object], what: str, wait_s: float) -> None:
        deadline = time.monotonic() + wait_s
        while not condition():
            assert time.monotonic() < deadline, f"{what} did not come in {wait_s:.0f} s\n{self.last_words()}"
            time.sleep(0.2)

    def wait_until_trained(self) -> None:
        self.wait_until(self.is_trained, "the end of the flow", TRAINING_WAIT_S)

    def wait_until_ready(self) -> None:
        self.wait_until(self.is_ready, "an engine that is ready", ENGINE_WAIT_S)

    def last_words(self) -> str:
        """The end of the terminal's output and of every log."""
        files = [self.output, *sorted((self.home / "logs").glob("*.log"))]
        return "\n".join(f"--- {file.name}\n{log_tail(file, 12)}" for file in files)

    @cached_property
    def key(self) -> str:
        return (self.home / "demo.key").read_text().strip()

    def api(self, method: str, path: str, **options: Any) -> httpx.Response:
        """A request as a program makes it, with the demo's key."""
        headers = {"Authorization": f"Bearer {self.key}"}
        return httpx.request(
            method, self.url + path, headers=headers, timeout=180, trust_env=False, **options
        )

    def model(self, stage: str) -> str:
        """Name of the checkpoint that a stage of the flow ended with; fine-tunes come later."""
        rows = self.rows("SELECT name FROM training_checkpoint WHERE stage = ? AND final ORDER BY id", stage)
        return str(rows[0][0])


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
