"""One attempt at a job: start its child process, follow what it reports, and settle how it ended."""

import fcntl
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from django.db import OperationalError, close_old_connections

from tracing.services import register_store
from training import child, jobs
from training.events import Event, EventReader
from training.models import Job
from training.registry import register_checkpoint

log = logging.getLogger(__name__)

POLL_S = 0.2
PUBLISH_S = 1.0
HEARTBEAT_S = 3.0
LOCK_WAIT_S = 30.0
DATABASE_WAIT_S = 60.0

stopping = threading.Event()
free_slot = threading.BoundedSemaphore(1)


class DirectoryBusy(Exception):
    """The child of an earlier attempt still runs in the job's directory."""


class Stopped(Exception):
    """This worker was told to stop."""


def stop_all() -> None:
    """Makes every attempt of this process end its child and give its job back."""
    stopping.set()


def run_job(job_id: int) -> None:
    """Runs a queued job to its end. Does nothing where another worker has it, or where this process runs one
    already: a training job takes all the threads that it is given, so the others wait for their turn."""
    if stopping.is_set() or not free_slot.acquire(blocking=False):
        return
    try:
        if job := jobs.claim(job_id):
            run_claimed(job)
    finally:
        free_slot.release()
    if not stopping.is_set():
        jobs.send_next()


def run_claimed(job: Job) -> None:
    """One attempt at a job that this process holds, to an end of some kind."""
    log.info("%s: attempt %d", job, job.attempts)
    try:
        with exclusive(job) as lock:
            settle(job, Attempt(job).run(lock))
    except (Stopped, DirectoryBusy, OperationalError) as reason:
        log.info("%s: given back (%s)", job, reason)
        persist(lambda: jobs.release(job))
    except jobs.LostJob as error:
        log.warning("%s", error)
    except Exception as error:
        log.exception("%s: failed in the worker", job)
        reason = f"{type(error).__name__}: {error}"
        persist(lambda: jobs.fail(job, reason))


@contextmanager
def exclusive(job: Job) -> Iterator[IO[bytes]]:
    """The job directory's lock. The child inherits it: while one attempt's child lives, no other starts."""
    job.directory.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + LOCK_WAIT_S
    with (job.directory / "lock").open("wb") as lock:
        while not try_lock(lock):
            if time.monotonic() > deadline or stopping.is_set():
                raise DirectoryBusy(f"another process still works in {job.directory}")
            beat(job)
            time.sleep(POLL_S)
        yield lock


def try_lock(lock: IO[bytes]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def beat(job: Job, **fields: object) -> bool:
    """A heartbeat that outlives a database which is away for a moment. Raises LostJob."""
    try:
        jobs.advance(job, **fields)
    except OperationalError as error:
        log.warning("%s: the database does not answer (%s)", job, error)
        close_old_connections()
        return False
    return True


def persist(change: Callable[[], None]) -> None:
    """Makes a change that ends an attempt, trying for a minute while the database is away."""
    deadline = time.monotonic() + DATABASE_WAIT_S
    while True:
        try:
            return change()
        except jobs.LostJob as error:
            return log.warning("%s", error)
        except OperationalError:
            if time.monotonic() > deadline:
                raise
            close_old_connections()
            time.sleep(POLL_S)


class Attempt:
    """Follows the events of one child. `done` and `failed` hold the event that ended it, if one did."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.events = EventReader(job.directory / "events.jsonl", job.events_offset)
        self.moved: dict[str, Any] = {}
        self.beaten_at = time.monotonic()
        self.done: Event | None = None
        self.failed: Event | None = None

    def run(self, lock: IO[bytes]) -> "Attempt":
        """Runs the child until it exits. Raises Stopped or LostJob, with the child killed."""
        self.take_events()
        self.done = self.failed = None
        with child.started(self.job, lock) as process:
            while process.poll() is None:
                self.follow()
            self.returncode = process.returncode
        self.take_events()
        self.publish()
        return self

    def follow(self) -> None:
        if stopping.wait(POLL_S):
            raise Stopped("the worker was told to stop")
        self.take_events()
        waited_s = time.monotonic() - self.beaten_at
        if waited_s > (PUBLISH_S if self.moved else HEARTBEAT_S):
            self.publish()

    def publish(self) -> None:
        if beat(self.job, events_offset=self.events.offset, **self.moved):
            self.moved = {}
        self.beaten_at = time.monotonic()

    def take_events(self) -> None:
        for event in self.events.new_events():
            self.take(event)

    def take(self, event: Event) -> None:
        match event["type"]:
            case "progress":
                self.take_progress(event)
            case "store":
                register_store(Path(event["path"]))
            case "checkpoint":
                register_checkpoint(Path(event["path"]), job=self.job, scores=event.get("scores"))
            case "done":
                self.done = event
            case "failed":
                self.failed = event

    def take_progress(self, event: Event) -> None:
        phase, done, total = event["phase"], int(event["done"]), int(event["total"])
        self.moved |= {"phase": phase, "done": done, "total": total, "unit": event["unit"]}
        self.moved["eta_s"] = event.get("eta_s")
        if done > self.job.reached.get(phase, 0):
            self.job.reached = {**self.job.reached, phase: done}
            self.moved |= {"reached": self.job.reached, "crashes": 0}


def settle(job: Job, attempt: Attempt) -> None:
    """Writes how an attempt ended: done, failed with a reason, or a crash that may be tried again."""
    if attempt.done is not None and attempt.returncode == 0:
        cpu_s = attempt.done.get("cpu_s")
        persist(lambda: jobs.succeed(job, cpu_s=cpu_s))
    elif attempt.failed is not None:
        reason = str(attempt.failed.get("error") or "The training process gave no reason.")
        persist(lambda: jobs.fail(job, reason))
    else:
        reason = child.death(job, attempt.returncode)
        persist(lambda: jobs.crash(job, reason))
