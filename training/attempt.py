"""One attempt at a job: a child process and what it reports, from start to exit."""

import logging
import threading
import time
from pathlib import Path
from typing import IO, Any

from django.db import OperationalError, close_old_connections

from tracing.services import register_store
from training import child, jobs
from training.asked import Asked
from training.core.parallel.leases import Lease
from training.events import Event, EventReader
from training.models import Job
from training.registry import register_checkpoint

log = logging.getLogger(__name__)

POLL_S = 0.2
PUBLISH_S = 1.0
HEARTBEAT_S = 3.0

stopping = threading.Event()
"""Set where this process is to end its attempts and give their jobs back."""


class Stopped(Exception):
    """This worker was told to stop."""


class Attempt:
    """Follows the events of one child. `done`, `stopped` and `failed` hold the event that ended it, if one
    did; `cut_short`, what a person asked of a child that did not do it in time."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.events = EventReader(job.directory / "events.jsonl", job.events_offset)
        self.moved: dict[str, Any] = {}
        self.beaten_at = time.monotonic()
        self.done: Event | None = None
        self.failed: Event | None = None
        self.stopped: Event | None = None
        self.asked = Asked(job)
        self.cut_short = ""

    def run(self, lock: IO[bytes], gpus: Lease) -> "Attempt":
        """Runs the child until it exits. Raises Stopped or LostJob, with the child killed."""
        self.take_events()
        self.done = self.failed = self.stopped = None
        with child.started(self.job, lock, gpus) as process:
            while process.poll() is None and not self.cut_short:
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
            self.cut_short = self.asked.overdue(self.job.phase)
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
            case "stopped":
                self.stopped = event

    def take_progress(self, event: Event) -> None:
        phase, done, total = event["phase"], int(event["done"]), int(event["total"])
        self.moved |= {"phase": phase, "done": done, "total": total, "unit": event["unit"]}
        self.moved["eta_s"] = event.get("eta_s")
        if done > self.job.reached.get(phase, 0):
            self.job.reached = {**self.job.reached, phase: done}
            self.moved |= {"reached": self.job.reached, "crashes": 0}


def beat(job: Job, **fields: object) -> bool:
    """A heartbeat that outlives a database which is away for a moment. Raises LostJob."""
    try:
        jobs.advance(job, **fields)
    except OperationalError as error:
        log.warning("%s: the database does not answer (%s)", job, error)
        close_old_connections()
        return False
    return True
