"""A uvicorn in a thread of its own, with Headwater's connections."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

from playground.web.slow_clients import PatientProtocol


@contextmanager
def serving(application: Any, **options: Any) -> Iterator[int]:
    """The port at which it answers with the application."""
    config = uvicorn.Config(
        application, port=0, http=PatientProtocol, lifespan="off", log_level="error", **options
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    thread.join()
