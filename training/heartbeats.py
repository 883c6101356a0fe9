"""Signs of life of an attempt while what it does says nothing of itself, as sorting a store or merging
weights."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import OperationalError, connection
from django.db.models import QuerySet
from django.utils import timezone

log = logging.getLogger(__name__)

BEAT_S = 10.0


@contextmanager
def beating(held: QuerySet[Any]) -> Iterator[None]:
    """Writes `heartbeat_at` of the rows that the attempt holds until the block ends."""
    ended = threading.Event()

    def beat() -> None:
        while not ended.wait(BEAT_S):
            try:
                held.update(heartbeat_at=timezone.now())
            except OperationalError as error:
                log.warning("%s: the database does not answer (%s)", held.model.__name__, error)
            finally:
                connection.close()

    threading.Thread(target=beat, name="heartbeat", daemon=True).start()
    try:
        yield
    finally:
        ended.set()
