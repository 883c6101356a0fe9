"""Clients that send or take a byte at a time, over real sockets against a real server."""

import asyncio
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest
from pytest_django import Settings

from playground.web.slow_clients import HEAD_BYTES_MAX
from tests.playground.web.serving import serving

WAIT_S = 0.2
FAR_LONGER_S = 20.0
MORE = b"x" * 65536
WHOLE = 256 * MORE
"""More than the kernel takes."""
gone: list[str] = []
"""Paths whose client has gone, as the application was told."""


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Says how long the body was; at /endless/ it says ever more, at /large/ a megabyte, at /whole/ much at
    once."""
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            gone.append(scope["path"])
            return
        size, more = size + len(message["body"]), message["more_body"]
    await send({"type": "http.response.start", "status": 200, "headers": [(b"x-size", b"%d" % size)]})
    rounds = {"/large/": 16, "/endless/": 10**9}.get(scope["path"], 0)
    ended = asyncio.create_task(receive())
    while rounds and not ended.done():
        await send({"type": "http.response.body", "body": MORE, "more_body": True})
        await asyncio.sleep(0)
        rounds -= 1
    if ended.done():
        gone.append(scope["path"])
        return
    ended.cancel()
    last = WHOLE if scope["path"] == "/whole/" else b""
    await send({"type": "http.response.body", "body": last, "more_body": False})


@pytest.fixture(scope="module", params=["uvloop", "asyncio"])
def port(request: pytest.FixtureRequest) -> Iterator[int]:
    with serving(application, loop=request.param) as port:
        yield port


@pytest.fixture
def client(port: int, settings: Settings) -> Iterator[socket.socket]:
    settings.SLOW_CLIENT_S = WAIT_S
    gone.clear()
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(FAR_LONGER_S)
        connection.connect(("127.0.0.1", port))
        yield connection


def drip(client: socket.socket, letters: bytes = b"x") -> bytes:
    """Send a byte at a time until the server has closed the connection; what it said before."""
    deadline, said = time.monotonic() + FAR_LONGER_S, b""
    client.settimeout(WAIT_S / 20)
    while time.monotonic() < deadline:
        try:
            client.sendall(letters[:1])
            if not (heard := client.recv(4096)):
                return said
            said += heard
        except TimeoutError:
            pass
        except OSError:
            return said
    raise AssertionError("the connection was never closed")


def test_a_client_that_says_nothing_is_closed(client: socket.socket) -> None:
    assert client.recv(100) == b""


def test_headers_that_come_a_byte_at_a_time_are_refused(client: socket.socket) -> None:
    client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nX: ")
    assert drip(client).startswith(b"HTTP/1.1 408 ")


def test_headers_without_end_are_refused_whatever_their_speed(
    client: socket.socket, settings: Settings
) -> None:
    settings.SLOW_CLIENT_S = 600
    client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nX: ")
    said = b""
    for _ in range(HEAD_BYTES_MAX // 4096 + 2):
        try:
            client.sendall(b"x" * 4096)
        except OSError:
            break
    said = client.recv(4096)
    assert said.startswith(b"HTTP/1.1 431 ")


def test_a_body_that_comes_a_byte_at_a_time_is_refused(client: socket.socket) -> None:
    client.sendall(b"POST /slow/ HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n")
    assert drip(client).startswith(b"HTTP/1.1 408 ")
    assert until_gone() == ["/slow/"]


def test_a_body_that_comes_steadily_may_take_its_time(client: socket.socket) -> None:
    client.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 80000\r\n\r\n")
    for _ in range(8):
        time.sleep(WAIT_S / 2)
        client.sendall(b"x" * 10_000)
    assert b"x-size: 80000" in client.recv(4096)


def test_blank_lines_after_an_answer_do_not_hold_the_connection(client: socket.socket) -> None:
    client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert client.recv(4096).startswith(b"HTTP/1.1 200 ")
    drip(client, b"\n")


def test_who_does_not_read_is_cut_off_and_the_application_is_told(client: socket.socket) -> None:
    client.sendall(b"GET /endless/ HTTP/1.1\r\nHost: a\r\n\r\n")
    assert until_gone() == ["/endless/"]


def test_who_reads_a_byte_at_a_time_is_cut_off(client: socket.socket) -> None:
    client.sendall(b"GET /endless/ HTTP/1.1\r\nHost: a\r\n\r\n")
    deadline = time.monotonic() + FAR_LONGER_S
    while not gone and time.monotonic() < deadline:
        client.recv(1)
        time.sleep(WAIT_S / 20)
    assert gone == ["/endless/"]


def test_an_answer_that_has_ended_waits_for_nobody(client: socket.socket) -> None:
    """All of it is in buffers, and uvicorn has closed it: that alone would wait for the reader."""
    client.sendall(b"GET /whole/ HTTP/1.0\r\nHost: a\r\n\r\n")
    time.sleep(5 * WAIT_S)
    assert read_all(client) < len(WHOLE)


def test_who_reads_slowly_but_steadily_gets_it_all(client: socket.socket) -> None:
    client.sendall(b"GET /large/ HTTP/1.0\r\nHost: a\r\n\r\n")
    assert read_all(client) > 16 * len(MORE)


def read_all(client: socket.socket) -> int:
    """How many bytes there were, read as slowly as a bad connection does."""
    size = 0
    while heard := client.recv(65536):
        size += len(heard)
        time.sleep(WAIT_S / 100)
    return size


def until_gone() -> list[str]:
    deadline = time.monotonic() + FAR_LONGER_S
    while not gone and time.monotonic() < deadline:
        time.sleep(WAIT_S / 10)
    return gone
