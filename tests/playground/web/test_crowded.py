"""Connections beyond what the web process takes: a clear no, and a way back."""

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from resource import RLIM_INFINITY
from typing import Any

import httpx
import pytest

from playground.web.__main__ import CONNECTIONS_MAX, SPARE_FILES, connections_for
from playground.web.crowded import RETRY_AFTER_S, WORDS
from tests.playground.web.serving import serving

MOST = 3


async def application(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok", "more_body": False})


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with serving(application, limit_concurrency=MOST) as port:
        yield port


def get(port: int, path: str = "/") -> httpx.Response:
    return httpx.get(f"http://127.0.0.1:{port}{path}", trust_env=False)


def hold(stack: ExitStack, port: int, count: int) -> None:
    """So many connections that have asked for something and stay."""
    for _ in range(count):
        client = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=20))
        client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert client.recv(100).startswith(b"HTTP/1.1 200 ")


def test_one_more_is_told_to_come_again_and_gets_in_once_another_has_left(port: int) -> None:
    with ExitStack() as stack:
        hold(stack, port, MOST)
        refused = get(port)
        assert (refused.status_code, refused.text) == (503, WORDS)
        assert refused.headers["retry-after"] == str(RETRY_AFTER_S)
        assert refused.headers["connection"] == "close"
    deadline = time.monotonic() + 20
    while get(port).status_code != 200:
        assert time.monotonic() < deadline, "nobody gets in although all others have left"


def test_those_who_are_in_stay_in(port: int) -> None:
    with ExitStack() as stack, httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as inside:
        assert inside.get("/").status_code == 200
        hold(stack, port, MOST - 1)
        assert get(port).status_code == 503
        assert inside.get("/").status_code == 200


def test_programs_are_told_in_their_own_form(port: int) -> None:
    with ExitStack() as stack:
        hold(stack, port, MOST)
        error = get(port, "/v1/chat/completions").json()["error"]
        assert (error["message"], error["code"]) == (WORDS, "too_many_connections")
        assert get(port, "/api/threads/").json() == {"detail": WORDS}


@pytest.mark.parametrize(
    ("files", "connections"),
    [(1, 1), (1024, 384), (20_000, 9872), (10**6, CONNECTIONS_MAX), (RLIM_INFINITY, CONNECTIONS_MAX)],
)
def test_connections_leave_files_for_engines_and_the_database(files: int, connections: int) -> None:
    assert connections_for(files) == connections
    assert files == 1 or files == RLIM_INFINITY or 2 * connections + SPARE_FILES <= files
