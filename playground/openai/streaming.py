"""Answers as server-sent events, in the form of OpenAI's API."""

import logging
from collections.abc import AsyncIterator, Iterable
from contextlib import aclosing
from typing import Any, Protocol

import orjson
from django.http import StreamingHttpResponse

from playground.completions import Event, Waiting
from playground.database import release_request_thread
from playground.openai.errors import SERVER, ApiError, api_error
from playground.side_by_side import Numbered

logger = logging.getLogger(__name__)

PATIENCE_S = 2.0
"""A stream begins before its model is loaded where that takes longer, and says what is waited for."""
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
DONE = b"data: [DONE]\n\n"


class Reply(Protocol):
    """What follows the events of a request's answers, and says them in the API's form."""

    def begin(self) -> list[dict[str, Any]]: ...
    def take(self, index: int, event: Event) -> list[dict[str, Any]]: ...
    def usage_chunk(self) -> dict[str, Any]: ...
    def whole(self) -> dict[str, Any]: ...


async def read_whole(reply: Reply, events: AsyncIterator[Numbered]) -> dict[str, Any]:
    release_request_thread()
    async with aclosing(events):
        async for number, event in events:
            reply.take(number, event)
    return reply.whole()


def stream_response(
    reply: Reply, events: AsyncIterator[Numbered], include_usage: bool
) -> StreamingHttpResponse:
    lines = chunk_lines(reply, events, include_usage)
    return StreamingHttpResponse(lines, content_type="text/event-stream", headers=HEADERS)


async def chunk_lines(
    reply: Reply, events: AsyncIterator[Numbered], include_usage: bool
) -> AsyncIterator[bytes]:
    """Server-sent events. Whoever stops reading closes `events`, and with it the engine's work.

    What is said at one time goes out at one time: the chunks that open the stream with the first tokens.
    """
    release_request_thread()
    said = lines(reply.begin())
    async with aclosing(events):
        try:
            async for number, event in events:
                if isinstance(event, Waiting):
                    yield comment(event.reason)
                elif chunks := reply.take(number, event):
                    yield said + lines(chunks)
                    said = b""
            if include_usage:
                said += lines([reply.usage_chunk()])
        except Exception as error:
            said += lines([stream_error(error)])
    yield said + DONE


def comment(reason: str) -> bytes:
    """A line that clients of server-sent events pass over, for whoever looks: what is being waited for."""
    return f": {' '.join(reason.split())}\n\n".encode()


def lines(chunks: Iterable[dict[str, Any]]) -> bytes:
    return b"".join([b"data: " + orjson.dumps(chunk) + b"\n\n" for chunk in chunks])


def stream_error(error: Exception) -> dict[str, Any]:
    """An error after the first chunk can only be told in the stream."""
    known = api_error(error)
    if known is None:
        logger.error("A stream failed", exc_info=error)
        known = ApiError(500, "Something broke in Headwater; its log has the details.", kind=SERVER)
    return known.envelope()
