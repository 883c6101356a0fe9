"""Responses of server-sent events that a page may hold open for as long as it likes."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from django.http import StreamingHttpResponse

from playground.database import release_request_thread

HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


def event_stream(events: AsyncGenerator[str]) -> StreamingHttpResponse:
    """The events as they come. While they wait they hold no thread, and no connection to the database."""
    return StreamingHttpResponse(without_thread(events), content_type="text/event-stream", headers=HEADERS)


async def without_thread(events: AsyncGenerator[str]) -> AsyncGenerator[str]:
    """Let go here, not in the view: on its way out the response takes a thread again, for middleware."""
    release_request_thread()
    async with aclosing(events):
        async for event in events:
            yield event
