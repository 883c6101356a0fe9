"""Clients that send or take next to nothing, as one that reads or writes a byte at a time does.

uvicorn waits for ever for the rest of a request, and for whoever does not read an answer. Here neither may
take longer than is fair, so that nobody holds connections and memory for free: a proxy in front has bounds of
its own, but not everyone has a proxy.
"""

from asyncio import TimerHandle, Transport
from typing import Any

from django.conf import settings
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from playground.web.crowded import crowded

LEAST_BYTES_S = 256
HEAD_BYTES_MAX = 64 * 1024
"""Of a request's line and headers; uvicorn's parser itself would take any amount."""
SLOW = "The request came too slowly. Send it again on a better connection."
LARGE_HEAD = "The request's headers are too large. Send fewer or shorter ones."


class PatientProtocol(HttpToolsProtocol):
    """uvicorn's connection, closed once its client has been slower than `settings.SLOW_CLIENT_S` allows.

    At most one timer each for what comes (a head, then its body) and for what is taken. A connection that
    comes while there are as many as uvicorn's limit_concurrency says is answered by `crowded`.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._coming: TimerHandle | None = None
        self._taking: TimerHandle | None = None
        self._in_head = False
        self._head_bytes = self._body_bytes = self._body_seen = self._left = 0
        self._most, self.limit_concurrency = self.limit_concurrency, None

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if self._most is not None and len(self.connections) > self._most:
            self.app = crowded
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._coming, self._taking = stopped(self._coming), stopped(self._taking)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES_MAX:
                self._refuse(431, LARGE_HEAD)
        elif self._coming is None and (self.cycle is None or self.cycle.response_complete):
            self._expect_head()  # blank lines, say, which are allowed before a request

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head, self._head_bytes = True, 0
        if not self.transport.get_write_buffer_size():  # the answers before it have been taken
            self._taking = stopped(self._taking)
        if self._coming is None:
            self._expect_head()

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._body_bytes = self._body_seen = 0
        stopped(self._coming)
        self._coming = self.loop.call_later(settings.SLOW_CLIENT_S, self._check_body)
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._coming = stopped(self._coming)
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._taking is None and self.transport.get_write_buffer_size():
            self._watch_taking()

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._taking is None:
            self._watch_taking()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._taking = stopped(self._taking)

    def _expect_head(self) -> None:
        self._coming = self.loop.call_later(settings.SLOW_CLIENT_S, self._check_head)

    def _check_head(self) -> None:
        if self._in_head:
            self._refuse(408, SLOW)
        else:
            self.transport.close()

    def _check_body(self) -> None:
        """Whether enough has come since the last look, where it was for the client to send."""
        came, self._body_seen = self._body_bytes - self._body_seen, self._body_bytes
        waits_for_us = self.flow.read_paused or self.cycle.waiting_for_100_continue
        if came >= settings.SLOW_CLIENT_S * LEAST_BYTES_S or waits_for_us:
            self._coming = self.loop.call_later(settings.SLOW_CLIENT_S, self._check_body)
        elif self.cycle.response_complete:
            self.transport.close()
        else:
            self._refuse(408, SLOW)

    def _watch_taking(self) -> None:
        self._left = self.transport.get_write_buffer_size()
        self._taking = self.loop.call_later(settings.SLOW_CLIENT_S, self._check_taking)

    def _check_taking(self) -> None:
        """Whether enough has been taken since the last look; nothing is added while so much waits."""
        self._taking, left = None, self.transport.get_write_buffer_size()
        if left and self._left - left < settings.SLOW_CLIENT_S * LEAST_BYTES_S:
            self.transport.abort()  # closing would wait until all of it is taken
        elif left:
            self._watch_taking()

    def _refuse(self, status: int, message: str) -> None:
        """Say why where nothing has been answered yet, and let the connection go."""
        if self.cycle is not None and self.cycle.response_started and not self.cycle.response_complete:
            self.transport.abort()
            return
        head = b"content-type: text/plain\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % len(message)
        self.transport.write(STATUS_LINE[status] + head + message.encode())
        self.transport.close()


def stopped(timer: TimerHandle | None) -> None:
    """Nothing, in the place of a timer that has been cancelled."""
    if timer is not None:
        timer.cancel()
