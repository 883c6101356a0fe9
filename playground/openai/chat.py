"""POST /v1/chat/completions, streaming and not."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

from django.http import HttpRequest, JsonResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase

from accounts.authentication import Caller
from playground.completions import Event, Finished, Piece, generate, prepare
from playground.database import in_database, release_request_thread
from playground.engines import wait_until_loaded
from playground.metering import Meter, metered
from playground.openai.answer import Answer
from playground.openai.endpoint import read_body
from playground.openai.errors import SERVER, ApiError, api_error
from playground.openai.models import find_checkpoint
from playground.openai.schemas import ChatRequest

logger = logging.getLogger(__name__)

HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


async def complete_chat(request: HttpRequest, caller: Caller) -> HttpResponseBase:
    body = read_body(request, ChatRequest)
    parameters = body.parameters()
    checkpoint = await in_database(find_checkpoint, body.model, caller.user)
    turns = [message.turn() for message in body.messages]
    job = await asyncio.to_thread(prepare, checkpoint, turns, parameters)
    answer = Answer(checkpoint, body.return_token_ids)
    meter = Meter.of_request(request, caller, checkpoint.name)
    if not body.stream:
        return JsonResponse(await read_whole(answer, metered(generate(job), meter)))
    # What can fail has failed by now, with a status of its own. The engine itself is asked only when the
    # stream begins: a client may leave before that, and then nobody would be there to stop the engine.
    await wait_until_loaded(checkpoint)
    include_usage = body.stream_options is not None and body.stream_options.include_usage
    lines = chunk_lines(answer, metered(generate(job), meter), include_usage)
    return StreamingHttpResponse(lines, content_type="text/event-stream", headers=HEADERS)


async def read_whole(answer: Answer, events: AsyncIterator[Event]) -> dict[str, Any]:
    async with aclosing(events):
        async for event in events:
            if isinstance(event, Piece):
                answer.add(event)
            elif isinstance(event, Finished):
                answer.end(event)
                return answer.whole(event)
    raise AssertionError("an answer ends with Finished or an error")


async def chunk_lines(
    answer: Answer, events: AsyncIterator[Event], include_usage: bool
) -> AsyncIterator[bytes]:
    """Server-sent events. Whoever stops reading closes `events`, and with it the engine's work."""
    release_request_thread()
    async with aclosing(events):
        yield line(answer.chunk({"role": "assistant", "content": ""}))
        try:
            async for event in events:
                for chunk in chunks_of(answer, event, include_usage):
                    yield line(chunk)
        except Exception as error:
            yield line(stream_error(error))
    yield b"data: [DONE]\n\n"


def chunks_of(answer: Answer, event: Event, include_usage: bool) -> list[dict[str, Any]]:
    match event:
        case Piece():
            return answer.add(event)
        case Finished(usage=usage):
            return [*answer.end(event), *([answer.usage_chunk(usage)] if include_usage else [])]
    return []


def stream_error(error: Exception) -> dict[str, Any]:
    """An error after the first chunk can only be told in the stream."""
    known = api_error(error)
    if known is None:
        logger.error("A stream failed", exc_info=error)
        known = ApiError(500, "Something broke in Headwater; its log has the details.", kind=SERVER)
    return known.envelope()


def line(content: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode() + b"\n\n"
