"""The GPUs that this worker gives to its job."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from django.conf import settings

from training.attempt import beat, stopping
from training.core.parallel.leases import Lease, found_gpus, lease
from training.models import Job
from training.workers import host

LEASE_WAIT_S = 30.0
POLL_S = 0.5


class GpusTaken(Exception):
    """Another job of this node has a GPU that this worker may use."""


@contextmanager
def leased(job: Job) -> Iterator[Lease]:
    """All GPUs that HEADWATER_GPUS gives this worker, none where there are none. Raises GpusTaken where
    another job does not give them back."""
    deadline = time.monotonic() + LEASE_WAIT_S
    folder = settings.HOME / "run" / "gpus" / host().split("/")[0]
    while (held := lease(folder, worker_gpus())) is None:
        if time.monotonic() > deadline or stopping.is_set():
            raise GpusTaken(f"another job has one of the GPUs {', '.join(worker_gpus())}")
        beat(job)
        time.sleep(POLL_S)
    with held:
        yield held


def worker_gpus() -> list[str]:
    """As the setting names them, or all that this node has."""
    if settings.GPUS == ["none"]:
        return []
    return list(settings.GPUS) or all_gpus()


@cache
def all_gpus() -> list[str]:
    return found_gpus()
