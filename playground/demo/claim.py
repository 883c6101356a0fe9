"""One demo a data directory, and a port that is free."""

import fcntl
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playground.demo.errors import DemoError

HOST = "127.0.0.1"


def address_of(port: int) -> str:
    return f"http://{HOST}:{port}"


@contextmanager
def claimed(home: Path, port: int) -> Iterator[None]:
    """Holds `home` for this process. The kernel lets go of it when the process ends, however it ends.

    Raises DemoError where another demo holds it.
    """
    path = home / "run" / "demo.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DemoError(already_running(home, path)) from None
        lock.truncate(0)
        json.dump({"pid": os.getpid(), "address": address_of(port)}, lock)
        lock.flush()
        yield


def already_running(home: Path, path: Path) -> str:
    try:
        holder = json.loads(path.read_text())
        where = f"{holder['address']} (process {holder['pid']})"
    except (ValueError, KeyError):
        where = "another terminal"
    return (
        f"A demo already runs from {home}, at {where}. Stop that one with Ctrl-C, or give this one a data "
        "directory and a port of its own: HEADWATER_HOME=/some/directory make demo PORT=8001"
    )


def check_port(port: int) -> None:
    """Raises DemoError where the port cannot be listened on."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except (OSError, OverflowError) as error:
            raise DemoError(
                f"Port {port} cannot be used ({error}). Choose another: make demo PORT={port % 65535 + 1}"
            ) from None
