"""What Celery workers do for corpus search: load stores when they are registered, and catch up later."""

import fcntl
import logging
from collections.abc import Iterator
from contextlib import contextmanager

from celery import current_app, shared_task
from celery.signals import worker_ready
from django.conf import settings
from kombu.exceptions import OperationalError

from tracing.core.errors import SearchUnavailable
from tracing.search.loading import is_behind, load_stores

logger = logging.getLogger(__name__)

ONE_TRY = {"max_retries": 1, "interval_start": 0, "interval_step": 0}
"""Who registers a store does not wait for a broker that is away."""


@shared_task(name="tracing.search.tasks.load_search")
def load_search() -> None:
    """Brings the index up to date, unless another task of this machine is at it."""
    with alone() as is_alone:
        if not is_alone:
            return
        try:
            if is_behind():
                load_stores()
        except SearchUnavailable as error:
            logger.error("%s", error)


def load_soon() -> None:
    """Asks a worker to load what was registered. Without a broker nothing is lost: the worker's clock asks
    again."""
    try:
        with current_app.connection_for_write() as connection:
            connection.transport_options = {**connection.transport_options, **ONE_TRY}
            load_search.apply_async(connection=connection, retry=False)
    except OperationalError as error:
        logger.info("The search index is brought up to date once a worker runs (%s).", error)


@worker_ready.connect
def load_at_start(**kwargs: object) -> None:
    load_soon()


@contextmanager
def alone() -> Iterator[bool]:
    """Whether this is the only task that loads: the others leave it to this one rather than wait in line."""
    path = settings.HOME / "search" / "task.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
