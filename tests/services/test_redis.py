"""The embedded Redis, started exactly as the demo starts it."""

import stat
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import redis
from pytest_django import Settings

from playground.demo.programs import embedded_redis


@pytest.fixture
def directory(tmp_path: Path, settings: Settings) -> Path:
    """A data directory of the test's own."""
    settings.HOME = tmp_path
    settings.EMBEDDED_REDIS_SOCKET = tmp_path / "run" / "redis.sock"
    for name in ("run", "redis"):
        (tmp_path / name).mkdir(mode=0o700)
    return tmp_path


@contextmanager
def running_redis(socket: Path) -> Iterator[tuple[subprocess.Popen[bytes], redis.Redis]]:
    process = subprocess.Popen(embedded_redis().command, stdout=subprocess.DEVNULL)
    client = redis.Redis(unix_socket_path=str(socket))
    try:
        wait_for_answer(client)
        yield process, client
    finally:
        client.close()
        process.kill()
        process.wait()


def wait_for_answer(client: redis.Redis) -> None:
    for _ in range(400):
        with suppress(redis.ConnectionError, redis.BusyLoadingError):
            client.ping()
            return
        time.sleep(0.05)
    pytest.fail("Redis did not answer")


def test_what_was_written_outlives_a_kill(directory: Path) -> None:
    socket = directory / "run" / "redis.sock"
    with running_redis(socket) as (process, client):
        client.xadd("stream", {"text": "partial answer"})
        client.rpush("gpu", "a job's message")
        time.sleep(1.5)  # the file is synced every second
        process.kill()
        process.wait()
    assert socket.exists(), "a killed Redis leaves its socket behind, and the next one must replace it"
    with running_redis(socket) as (_, client):
        assert client.lrange("gpu", 0, -1) == [b"a job's message"]
        assert [fields for _, fields in client.xrange("stream")] == [{b"text": b"partial answer"}]


def test_only_its_owner_can_reach_it(directory: Path) -> None:
    socket = directory / "run" / "redis.sock"
    with running_redis(socket) as (process, client):
        assert stat.S_IMODE(socket.stat().st_mode) == 0o700
        assert client.config_get("port") == {"port": "0"}
        assert not sockets_of(process.pid) & listening_inodes(process.pid)


def sockets_of(pid: int) -> set[str]:
    """Inodes of the sockets that a process holds."""
    links = {str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir()}
    return {link[len("socket:[") : -1] for link in links if link.startswith("socket:[")}


def listening_inodes(pid: int) -> set[str]:
    """Inodes of all TCP sockets that listen."""
    tables = [Path(f"/proc/{pid}/net/{name}").read_text() for name in ("tcp", "tcp6")]
    rows = [line.split() for table in tables for line in table.splitlines()]
    return {row[9] for row in rows if row[3] == "0A"}
