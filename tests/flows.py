"""Real flows and real Celery workers for tests of every app that needs something trained."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psutil
from django.conf import settings

WAIT_S = 240.0


@contextmanager
def celery_worker(*, queues: str = "default,gpu", beat: bool = False) -> Iterator[subprocess.Popen[bytes]]:
    """A Celery worker process on the test run's HEADWATER_HOME, database file and Redis; killed at the end."""
    command = [sys.executable, "-m", "celery", "-A", "config", "worker", "--pool", "threads"]
    command += ["--concurrency", "4", "--queues", queues, "--without-mingle", "--without-gossip"]
    command += ["--hostname", f"test{time.monotonic_ns()}@%h", *(["--beat"] if beat else [])]
    log = settings.HOME / "logs" / "worker.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    environ = {**os.environ, "OMP_NUM_THREADS": "1"}
    with log.open("ab") as output:
        worker = subprocess.Popen(
            command, cwd=settings.BASE_DIR, env=environ, stdout=output, stderr=output, start_new_session=True
        )
    try:
        yield worker
    finally:
        stop(worker)


def stop(worker: subprocess.Popen[bytes]) -> None:
    """Ends a worker kindly, as its supervisor does, and by force if it stays."""
    worker.send_signal(signal.SIGTERM)
    try:
        worker.wait(20)
    except subprocess.TimeoutExpired:
        worker.kill()
        worker.wait()


def children_of(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """The training processes that a worker has started."""
    try:
        children = psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []
    return [child for child in children if "training.core.run" in " ".join(child.cmdline())]


def wait_until(condition: Callable[[], object], what: str, wait_s: float = WAIT_S) -> None:
    """Waits for something that other processes bring about; fails with `what` and the worker's last words."""
    deadline = time.monotonic() + wait_s
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not come about in {wait_s} s; {last_words()}"
        time.sleep(0.1)


def last_words() -> str:
    log = settings.HOME / "logs" / "worker.log"
    return log.read_text(errors="replace")[-3000:] if log.is_file() else "no worker has written anything"
