"""`manage.py engines`: the supervisor of this node's engines."""

import fcntl
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from playground.engines import ADAPTER_RANK
from playground.supervisor import Supervisor
from training.core.serving.engine_process import EngineConfig

GPU_MEMORY_SHARE = 0.85
"""Of a GPU's memory, all engines of the node together."""


class Command(BaseCommand):
    help = (
        "Start, watch, restart and stop this node's engines as the deployments ask. "
        "Ctrl-C or SIGTERM stops them all."
    )

    def handle(self, **options: Any) -> None:
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        with only_supervisor():
            self.stdout.write(f"Engines: up to {settings.ENGINE_SLOTS}, run by {settings.ENGINE_PYTHON}")
            Supervisor(engine_configs()).run(stop)


def engine_configs() -> list[EngineConfig]:
    """One a slot. The sockets are where the embedded Redis's is: its path is short enough for a socket."""
    share = GPU_MEMORY_SHARE / settings.ENGINE_SLOTS
    return [
        EngineConfig(
            slot=slot,
            python=settings.ENGINE_PYTHON,
            run_directory=settings.EMBEDDED_REDIS_SOCKET.parent,
            log=settings.HOME / "logs" / f"engine-{slot}.log",
            memory_share=share,
            adapter_rank=ADAPTER_RANK,
        )
        for slot in range(settings.ENGINE_SLOTS)
    ]


@contextmanager
def only_supervisor() -> Iterator[None]:
    """Held until this process ends, however it ends."""
    path = settings.EMBEDDED_REDIS_SOCKET.with_name("engines.lock")
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with path.open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CommandError(
                f"Another `manage.py engines` already serves {settings.HOME}. Stop that one first."
            ) from None
        yield
