"""POST /v1/chat/completions, streaming and not."""

from django.http import HttpRequest, JsonResponse
from django.http.response import HttpResponseBase

from accounts.authentication import Caller
from playground.completions import prepared
from playground.composer.bounds import bounds_of
from playground.engines import wait_until_loaded
from playground.metering import Meter
from playground.openai import streaming
from playground.openai.answer import Answer
from playground.openai.chat_body import ChatRequest
from playground.openai.endpoint import read_body
from playground.openai.messages import turns_of
from playground.openai.models import recent_checkpoint
from playground.openai.streaming import read_whole, stream_response
from playground.side_by_side import metered_numbered, numbered_events, seeded


async def complete_chat(request: HttpRequest, caller: Caller) -> HttpResponseBase:
    body = read_body(request, ChatRequest)
    parameters, turns = body.parameters(), turns_of(body.messages)
    checkpoint = await recent_checkpoint(body.model, caller.user)
    options = bounds_of(checkpoint).controls.options(*body.thinking)
    if body.functions:
        options["tools"] = [function.to_dict() for function in body.functions]
    job = await prepared(checkpoint, turns, parameters, template_options=options)
    answer = Answer(checkpoint, body.wanted, body.n or 1, job.chat.tokenizer)
    meter = Meter.of_request(request, caller, checkpoint.name)
    events = metered_numbered(numbered_events([seeded(job, n) for n in range(answer.n)]), meter)
    if not body.stream:
        return JsonResponse(await read_whole(answer, events))
    # What can fail soon has failed by then, with a status of its own. The engine itself is asked only when
    # the stream begins: a client may leave before that, and nobody would be there to stop the engine.
    await wait_until_loaded(checkpoint, patience_s=streaming.PATIENCE_S)
    return stream_response(answer, events, body.include_usage)
