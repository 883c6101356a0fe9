"""A real Elasticsearch on loopback, started by the script that HEADWATER_TEST_ELASTICSEARCH names.

The script is called as `start PORT DIRECTORY`, prints the server's process id once it answers, and keeps
what it downloads and compiles in `pyserini` and `out` below the directory.
"""

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.sites import free_port

WHEN_ABSENT = "HEADWATER_TEST_ELASTICSEARCH names no start script, so Elasticsearch is not tested"
KEPT = ("pyserini", "out")
WATCHER = """
import os, subprocess, sys
started = subprocess.run(sys.argv[1:], stdout=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL)
if started.returncode:
    sys.exit(started.returncode)
try:
    print("ready", flush=True)
    sys.stdin.read()
finally:
    os.kill(int(started.stdout.split()[-1]), 9)
"""
"""Starts the server and ends it when its own standard input closes: however the test run ends, and were it
in mid-start, nothing is left behind."""


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
        self.watcher = watched_start(self.script, self.port, self.directory)

    def kill(self) -> None:
        end(self.watcher)

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
            end(watched_start(script, free_port(), cache))
            shutil.rmtree(cache / "data", ignore_errors=True)
            stamp.touch()
    return cache


def watched_start(script: Path, port: int, directory: Path) -> "subprocess.Popen[str]":
    """The watcher of a server, once that answers."""
    command = [sys.executable, "-c", WATCHER, str(script), str(port), str(directory)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    watcher = subprocess.Popen(command, text=True, start_new_session=True, **pipes)
    if watcher.stdout.readline() != "ready\n":
        raise AssertionError(f"{script} failed: {watcher.stderr.read()[-2000:]}")
    return watcher


def end(watcher: "subprocess.Popen[str]") -> None:
    if watcher.poll() is None:
        watcher.stdin.close()
    watcher.wait()
    watcher.stdout.close()
    watcher.stderr.close()
