"""POST /v1/completions: texts that are continued as they stand, streaming and not."""

import asyncio

from django.http import HttpRequest, JsonResponse
from django.http.response import HttpResponseBase

from accounts.authentication import Caller
from playground.completions import Job, is_quick, prepare_text
from playground.engines import wait_until_loaded
from playground.metering import Meter
from playground.openai import streaming
from playground.openai.completion_body import CompletionRequest
from playground.openai.endpoint import read_body
from playground.openai.models import recent_checkpoint
from playground.openai.streaming import read_whole, stream_response
from playground.openai.texts import Text, Texts, WantedTexts
from playground.side_by_side import metered_numbered, numbered_events, seeded
from training.models import Checkpoint


async def complete_text(request: HttpRequest, caller: Caller) -> HttpResponseBase:
    body = read_body(request, CompletionRequest)
    checkpoint = await recent_checkpoint(body.model, caller.user)
    jobs = await prepared_jobs(body, checkpoint)
    texts = texts_of(body, checkpoint, jobs)
    meter = Meter.of_request(request, caller, checkpoint.name)
    events = numbered_events([seeded(job, n) for job in jobs for n in range(body.n or 1)])
    events = metered_numbered(events, meter, [text.number for text in texts.texts])
    if not body.stream:
        return JsonResponse(await read_whole(texts, events))
    await wait_until_loaded(checkpoint, patience_s=streaming.PATIENCE_S)  # as in chat.complete_chat
    return stream_response(texts, events, body.include_usage)


async def prepared_jobs(body: CompletionRequest, checkpoint: Checkpoint) -> list[Job]:
    """As `jobs_of`; long prompts are encoded in a thread."""
    length = sum(map(len, body.prompts))
    if is_quick(checkpoint, length):
        return jobs_of(body, checkpoint)
    return await asyncio.to_thread(jobs_of, body, checkpoint)


def jobs_of(body: CompletionRequest, checkpoint: Checkpoint) -> list[Job]:
    """One for each prompt."""
    parameters = body.parameters()
    return [
        prepare_text(checkpoint, prompt, parameters, scored=body.scored, new_tokens=body.new_tokens)
        for prompt in body.prompts
    ]


def texts_of(body: CompletionRequest, checkpoint: Checkpoint, jobs: list[Job]) -> Texts:
    wanted = WantedTexts(body.echo, body.logprobs, body.return_token_ids)
    numbered = [(number, job) for number, job in enumerate(jobs) for _ in range(body.n or 1)]
    return Texts(
        checkpoint,
        [
            Text(index, job.prompt.token_ids, number, wanted, job.chat.tokenizer)
            for index, (number, job) in enumerate(numbered)
        ],
    )
