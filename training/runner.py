"""Running a job: take it, keep others out of its directory, follow one attempt, and settle how it ended."""

import fcntl
import logging
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from django.db import DatabaseError, OperationalError, close_old_connections
from redis.exceptions import RedisError

from accounts.limits.services import Spender, record_usage
from training import child, jobs
from training.attempt import Attempt, Stopped, beat, stopping
from training.core.run import message
from training.gpus import GpusTaken, leased, worker_gpus
from training.models import Job

log = logging.getLogger(__name__)

ASIDE = "of-another-job"
POLL_S = 0.2
LOCK_WAIT_S = 30.0
DATABASE_WAIT_S = 60.0
SLOT_WAIT_S = jobs.FRESH.total_seconds() + 1.0

free_slot = threading.BoundedSemaphore(1)


class DirectoryBusy(Exception):
    """The child of an earlier attempt still runs in the job's directory."""


def stop_all() -> None:
    """Makes every attempt of this process end its child and give its job back."""
    stopping.set()


def run_job(job_id: int) -> None:
    """Runs a queued job to its end. Does nothing where another worker has it.

    A process trains one job at a time, since it takes all the threads that it is given. Where one is running
    the message is dropped after a while, and sent again once that job has ended.
    """
    if stopping.is_set() or not free_slot.acquire(timeout=SLOT_WAIT_S):
        return
    try:
        if job := jobs.claim(jobs.first_of_flow(job_id)):
            run_claimed(job)
    finally:
        free_slot.release()
    if not stopping.is_set():
        jobs.send_next()


def run_claimed(job: Job) -> None:
    """One attempt at a job that this process holds, to an end of some kind."""
    log.info("%s: attempt %d", job, job.attempts)
    try:
        with exclusive(job) as lock, leased(job) as gpus:
            set_aside_leftovers(job)
            began = time.monotonic()
            try:
                attempt = Attempt(job).run(lock, gpus)
            finally:
                count_use(job, (time.monotonic() - began) * max(1, len(worker_gpus())))
            settle(job, attempt)
    except (Stopped, DirectoryBusy, GpusTaken, OperationalError) as reason:
        log.info("%s: given back (%s)", job, reason)
        persist(lambda: jobs.release(job))
    except jobs.LostJob as error:
        log.warning("%s", error)
    except Exception as error:
        log.exception("%s: failed in the worker", job)
        reason = message(error)
        persist(lambda: jobs.fail(job, reason))


def count_use(job: Job, gpu_s: float) -> None:
    """What an attempt took of its owner's GPU-seconds; on a machine without GPUs its seconds count."""
    if job.owner_id is None:
        return
    try:
        record_usage(Spender(user_id=job.owner_id), model=job.flow.name, engine_s=gpu_s, kind="job")
    except (DatabaseError, RedisError) as error:
        log.warning("%s: what it took could not be written down: %s", job, error)


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


def set_aside_leftovers(job: Job) -> None:
    """Moves what a first attempt finds in its directory out of the way: events of another job of its number,
    from before a database was put back to an earlier state, must not be taken for its own."""
    leftovers = [path for path in job.directory.iterdir() if path.name not in ("lock", ASIDE)]
    if job.attempts > 1 or not leftovers:
        return
    (job.directory / ASIDE).mkdir(exist_ok=True)
    aside = Path(tempfile.mkdtemp(dir=job.directory / ASIDE))
    log.warning("%s: files of another job of its number were moved to %s", job, aside)
    for path in leftovers:
        path.rename(aside / path.name)


def try_lock(lock: IO[bytes]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
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


def settle(job: Job, attempt: Attempt) -> None:
    """Writes how an attempt ended: done, stopped as asked, failed with a reason, or a crash that may be tried
    again."""
    if attempt.done is not None and attempt.returncode == 0:
        cpu_s = attempt.done.get("cpu_s")
        persist(lambda: jobs.succeed(job, cpu_s=cpu_s))
    elif attempt.stopped is not None:
        how = str(attempt.stopped["how"])
        persist(lambda: jobs.stop_as_asked(job, how))
    elif attempt.failed is not None:
        reason = str(attempt.failed.get("error") or "The training process gave no reason.")
        persist(lambda: jobs.fail(job, reason))
    elif attempt.cut_short:
        persist(lambda: jobs.release(job))
    else:
        reason = child.death(job, attempt.returncode)
        persist(lambda: jobs.crash(job, reason))
