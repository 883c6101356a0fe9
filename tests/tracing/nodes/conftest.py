"""Two real index nodes: worker processes with data directories of their own, on the tests' Redis."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from django.conf import settings

from tests.tracing.support.stores import IN_MEMORY, write_store
from tracing.nodes.announcing import announced

ROOT = Path(__file__).resolve().parents[3]
WAIT_S = 60.0


class Node:
    """An index node: a data directory and, while it runs, a process."""

    def __init__(self, name: str, home: Path) -> None:
        self.name, self.home = name, home
        self.process: subprocess.Popen[bytes] | None = None
        (home / "stores").mkdir(parents=True)

    def start(self) -> None:
        environment = {
            "PATH": os.environ["PATH"],
            "HEADWATER_HOME": str(self.home),
            "REDIS_URL": f"unix://{settings.EMBEDDED_REDIS_SOCKET}",
        }
        command = [sys.executable, "manage.py", "index_node", "--name", self.name, "--concurrency", "2"]
        with (self.home / "node.log").open("ab") as log:
            self.process = subprocess.Popen(
                command, cwd=ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT
            )

    def wait_until_heard(self, *stores: str) -> None:
        for _ in range(int(WAIT_S / 0.1)):
            if all(self.name in {entry.node for entry in announced().get(store, [])} for store in stores):
                return
            time.sleep(0.1)
        pytest.fail(f"{self.name} was not heard: {(self.home / 'node.log').read_text()[-3000:]}")

    def stop(self, how: int = signal.SIGTERM) -> None:
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait(30)
        self.process = None


@pytest.fixture(scope="package")
def nodes(redis_server: redis.Redis) -> Iterator[list[Node]]:
    """Two nodes that run, with nothing to serve yet."""
    with tempfile.TemporaryDirectory(dir=IN_MEMORY) as directory:
        made = [Node(name, Path(directory) / name) for name in ("north", "south")]
        for node in made:
            node.start()
        yield made
        for node in made:
            node.stop(signal.SIGKILL)


@pytest.fixture
def clean_stores() -> Iterator[None]:
    """No store of a test stays on the site."""
    yield
    for path in (settings.HOME / "stores").glob("far-*"):
        shutil.rmtree(path)


def publish(home: Path, name: str, documents: list[list[int]], **options: object) -> Path:
    """A store at HOME/stores/NAME, closed again."""
    path = home / "stores" / name
    write_store(path, documents, **options).close()
    return path
