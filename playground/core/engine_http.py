"""Events of an engine's streamed answer, over HTTP/1.1 on connections that are kept.

httpx takes 0.2 ms of processor time a token for this, several times what the engine's client does with the
token. Here httptools parses, and what has come at once is handed on at once.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping
from typing import Any, cast
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

import httptools

IDLE_S = 3.0
"""A connection without a request is closed after this long: sooner than engines close theirs (5 s)."""
CONNECT_S = 10.0
NONE: Mapping[str, str] = {}
BUFFER_BYTES = 256 * 1024
"""While so much waits to be read, the engine is not listened to."""
HEAD = "POST {path} HTTP/1.1\r\nHost: engine\r\nContent-Type: application/json\r\n"


class ConnectionBroke(Exception):
    """The engine cannot be reached, closed the connection, or spoke no HTTP."""


class NobodyListens(ConnectionBroke):
    """There is no connection to be had: the server is not there."""


class ErrorAnswer(Exception):
    """The engine answered with an error status."""

    def __init__(self, status: int, body: bytes) -> None:
        super().__init__(f"HTTP {status}")
        self.status, self.body = status, body


Idle = dict[str, list["Connection"]]
_idle: WeakKeyDictionary[asyncio.AbstractEventLoop, Idle] = WeakKeyDictionary()


class Connection(asyncio.Protocol):
    """One connection; one request at a time. httptools calls its on_ methods."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.lost: Exception | None = None
        self.complete = True
        self.status = 0
        self._keep = False
        self._parser: Any = None
        self._received: list[bytes] = []
        self._size = 0
        self._waiter: asyncio.Future[None] | None = None
        self._waits_since = 0.0
        self._watch: asyncio.TimerHandle | None = None
        self.idle_timer: asyncio.TimerHandle | None = None

    def ask(self, path: str, body: bytes, headers: Mapping[str, str], silence_s: float) -> None:
        """Send a request; its answer comes by `read`, which waits at most `silence_s` for more of it."""
        assert self.transport is not None
        self._waiter = None
        self._listen(silence_s, silence_s)
        self._parser = httptools.HttpResponseParser(self)
        self._received, self._size, self.complete = [], 0, False
        lines = [f"{name}: {value}\r\n" for name, value in {**headers, "Content-Length": len(body)}.items()]
        self.transport.write((HEAD.format(path=path) + "".join(lines) + "\r\n").encode() + body)

    @property
    def reusable(self) -> bool:
        return self.complete and self.lost is None and self._keep

    async def read(self) -> bytes:
        """All of the body that has come since the last time; nothing at its end."""
        while not self._received and not self.complete:
            if self.lost is not None:
                raise ConnectionBroke(str(self.lost) or type(self.lost).__name__)
            loop = asyncio.get_running_loop()
            self._waiter, self._waits_since = loop.create_future(), loop.time()
            await self._waiter
        received, self._received = b"".join(self._received), []
        if self._size > BUFFER_BYTES and self.transport is not None:
            self.transport.resume_reading()
        self._size = 0
        return received

    def rest(self) -> None:
        """No answer is waited for any more."""
        if self._watch is not None:
            self._watch.cancel()

    def abort(self) -> None:
        if self.transport is not None:
            self.transport.abort()

    def _listen(self, silence_s: float, in_s: float) -> None:
        """One timer for the whole answer: one for each read would cost more than the reading itself."""
        loop = asyncio.get_running_loop()
        self._watch = loop.call_later(in_s, self._end_if_silent, silence_s)

    def _end_if_silent(self, silence_s: float) -> None:
        waits = self._waiter is not None and not self._waiter.done()
        quiet_s = asyncio.get_running_loop().time() - self._waits_since if waits else 0.0
        if quiet_s < silence_s:
            self._listen(silence_s, silence_s - quiet_s)
            return
        self.lost = TimeoutError(f"nothing came for {silence_s:.0f} s")
        self.abort()
        self._wake()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's have another base class

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, AttributeError) as error:
            self.lost = error
            self.abort()
        self._wake()

    def connection_lost(self, error: Exception | None) -> None:
        self.lost = self.lost or error or ConnectionError("closed")
        self._wake()

    def on_body(self, data: bytes) -> None:
        self._received.append(data)
        self._size += len(data)
        if self._size > BUFFER_BYTES and self.transport is not None:
            self.transport.pause_reading()

    def on_headers_complete(self) -> None:
        self.status = self._parser.get_status_code()

    def on_message_complete(self) -> None:
        self.complete = True
        self._keep = self._parser.should_keep_alive()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


async def post_for_events(
    address: str, path: str, body: dict[str, Any], *, silence_s: float, headers: Mapping[str, str] = NONE
) -> AsyncGenerator[list[bytes], None]:
    """The data of the answer's server-sent events, those together that came together; [DONE] is left out.

    `address` is unix:///path or http://host:port. Closing the iterator before its end closes the connection,
    and so ends the engine's work. Raises ErrorAnswer and ConnectionBroke.
    """
    content = json.dumps(body, separators=(",", ":")).encode()
    connection = take_idle(address) or await connect(address)
    connection.ask(path, content, headers, silence_s)
    try:
        rest = b""
        while True:
            received = await connection.read()
            if connection.status >= 400:
                raise ErrorAnswer(connection.status, received + await read_all(connection))
            if not received:
                break
            *lines, rest = (rest + received).split(b"\n")
            if events := [data for line in lines if (data := event_data(line))]:
                yield events
    finally:
        put_back(address, connection)


def event_data(line: bytes) -> bytes:
    """What a line of the stream carries; nothing where it is empty, a comment or the end."""
    data = line[5:].strip() if line.startswith(b"data:") else b""
    return b"" if data == b"[DONE]" else data


async def read_all(connection: Connection) -> bytes:
    parts = []
    while part := await connection.read():
        parts.append(part)
    return b"".join(parts)


async def connect(address: str) -> Connection:
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(CONNECT_S):
            if address.startswith("unix://"):
                path = address.removeprefix("unix://")
                _, connection = await loop.create_unix_connection(Connection, path)
            else:
                url = urlsplit(address)
                host, port = url.hostname or "127.0.0.1", url.port or 80
                _, connection = await loop.create_connection(Connection, host, port)
    except (OSError, TimeoutError) as error:
        raise NobodyListens(str(error) or type(error).__name__) from error
    return connection


def take_idle(address: str) -> Connection | None:
    idle = _idle.setdefault(asyncio.get_running_loop(), {}).get(address, [])
    while idle:
        connection = idle.pop()
        if connection.idle_timer is not None:
            connection.idle_timer.cancel()
        if connection.lost is None:
            return connection
    return None


def put_back(address: str, connection: Connection) -> None:
    """Keep the connection for the next request if its answer has come whole; else end it."""
    connection.rest()
    if not connection.reusable:
        connection.abort()
        return
    loop = asyncio.get_running_loop()
    idle = _idle.setdefault(loop, {}).setdefault(address, [])
    idle.append(connection)
    connection.idle_timer = loop.call_later(IDLE_S, close_idle, idle, connection)


def close_idle(idle: list[Connection], connection: Connection) -> None:
    if connection in idle:
        idle.remove(connection)
        connection.abort()
