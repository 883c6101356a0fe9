"""The web server as it is started: `python -m playground.web`."""

import os
import resource
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import httpx

from tests.sites import ROOT, free_port


def test_the_site_is_served_with_its_bounds(tmp_path: Path) -> None:
    port = free_port()
    own = {"HEADWATER_HOME": str(tmp_path), "SECRET_KEY": "a", "HEADWATER_SLOW_CLIENT_S": "1"}
    environ = {**os.environ, **own}
    command = [sys.executable, "-m", "playground.web", "--port", str(port), "--no-access-log"]
    with subprocess.Popen(command, cwd=ROOT, env=environ) as process:
        try:
            wait_until_up(process, f"http://127.0.0.1:{port}/health")
            soft, hard = resource.prlimit(process.pid, resource.RLIMIT_NOFILE)
            assert soft == hard
            assert shut_out(port)
        finally:
            process.terminate()


def wait_until_up(process: subprocess.Popen[bytes], address: str) -> None:
    for _ in range(600):
        assert process.poll() is None, "the server ended"
        with suppress(httpx.TransportError):
            assert httpx.get(address, trust_env=False).status_code == 200
            return
        time.sleep(0.1)
    raise AssertionError("the server did not come up")


def shut_out(port: int) -> bool:
    """Whether a request that is never finished is answered 408."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as client:
        client.sendall(b"GET / HTTP/1.1\r\nX: ")
        return client.recv(100).startswith(b"HTTP/1.1 408 ")


def test_options_are_uvicorn_s() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "playground.web", "--no-such-option"],
        cwd=ROOT,
        env={**os.environ, "SECRET_KEY": "a"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "No such option" in done.stderr
