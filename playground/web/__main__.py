"""`python -m playground.web [uvicorn's options]`: the site by uvicorn, as `uvicorn config.asgi:application`.

Unlike there, slow clients are closed, and connections beyond what this process may open are answered 503.
"""

import os
import resource
import sys
from typing import Any

import uvicorn

PROTOCOL = "playground.web.slow_clients:PatientProtocol"
CONNECTIONS_MAX = 10_000
"""Where the limit of open files allows them; they take about a gigabyte if all are streams."""
FILES_A_CONNECTION = 2
"""A stream of /v1 has another connection, to the engine that writes it."""
BACKLOG = 2048
"""uvicorn's own, of connections that wait to be taken. The kernel allows as many as net.core.somaxconn."""
SPARE_FILES = 256
"""Of the files that a process may open: for the database, stores and Redis."""


def raise_file_limit() -> int:
    """Allow this process as many open files as it may have; gives how many."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return most


def bounded(options: dict[str, Any]) -> dict[str, Any]:
    """uvicorn's options, with the bounds that were not given."""
    files = raise_file_limit()
    if options["limit_concurrency"] is None:
        options = {**options, "limit_concurrency": connections_for(files)}
    if options["backlog"] == BACKLOG:
        options = {**options, "backlog": options["limit_concurrency"]}
    return {**options, "http": PROTOCOL}


def connections_for(files: int) -> int:
    """How many connections a process takes that may open so many files."""
    if files == resource.RLIM_INFINITY:
        return CONNECTIONS_MAX
    return min(CONNECTIONS_MAX, max(1, (files - SPARE_FILES) // FILES_A_CONNECTION))


def main(arguments: list[str]) -> None:
    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
    command = uvicorn.main
    run = command.callback
    assert run is not None
    command.callback = lambda **options: run(**bounded(options))
    command.main(["config.asgi:application", *arguments], prog_name="python -m playground.web")


if __name__ == "__main__":
    main(sys.argv[1:])
