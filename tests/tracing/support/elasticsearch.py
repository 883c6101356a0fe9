"""A real Elasticsearch on loopback, started by the script that HEADWATER_TEST_ELASTICSEARCH names.

The script is called as `start PORT DIRECTORY`, prints the server's process id once it answers, and keeps
what it downloads and compiles in `pyserini` and `out` below the directory.
"""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

from tests.sites import free_port

WHEN_ABSENT = "HEADWATER_TEST_ELASTICSEARCH names no start script, so Elasticsearch is not tested"
KEPT = ("pyserini", "out")
WATCHER = "import os, sys\nsys.stdin.read()\nos.kill(int(sys.argv[1]), 9)"
"""Ends the server when the pipe closes: however the test run ends, nothing is left behind."""


def start_script() -> Path | None:
    named = os.environ.get("HEADWATER_TEST_ELASTICSEARCH", "")
    return Path(named).resolve() if named and Path(named).is_file() else None


class ElasticsearchServer:
    """One server with an empty data directory of its own."""

    def __init__(self, script: Path) -> None:
        self.script, self.port = script, free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.directory = Path(tempfile.mkdtemp(prefix="headwater-search-"))
        for name in KEPT:
            (self.directory / name).symlink_to(prepared(script) / name)
        self.start()

    def start(self) -> None:
        """Starts it, or starts it again over the same data."""
        self.pid = run(self.script, self.port, self.directory)
        watching = [sys.executable, "-c", WATCHER, str(self.pid)]
        self.watcher = subprocess.Popen(
            watching, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True
        )

    def kill(self) -> None:
        self.watcher.stdin.close()
        self.watcher.wait()

    def remove(self) -> None:
        self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)


def prepared(script: Path) -> Path:
    """A directory in the user's cache where the script has downloaded and compiled what it needs."""
    cache = (
        Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "headwater-tests" / "elasticsearch"
    )
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        stamp = cache / "prepared"
        newest = max(path.stat().st_mtime for path in script.parent.iterdir())
        if not stamp.exists() or stamp.stat().st_mtime < newest:
            shutil.rmtree(cache / "out", ignore_errors=True)
            with suppress(ProcessLookupError):
                os.kill(run(script, free_port(), cache), signal.SIGKILL)
            shutil.rmtree(cache / "data", ignore_errors=True)
            stamp.touch()
    return cache


def run(script: Path, port: int, directory: Path) -> int:
    """Starts the server and returns its process id, once it answers."""
    done = subprocess.run([script, str(port), directory], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{script} failed: {done.stderr[-2000:]}"
    return int(done.stdout.split()[-1])
