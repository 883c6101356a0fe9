"""An answer asked of engines: one after the other while nothing has been said, then followed to its end."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from typing import Any

from playground.completions.events import Event, Finished, Piece, Started, Waiting
from playground.completions.jobs import Job, prepared
from playground.completions.writer import Writer
from playground.core.engine_client import EngineClient
from playground.core.errors import EngineDied, EngineGone, EngineRefused, ParameterError
from playground.core.prompt import Message
from playground.core.sampling import SamplingParameters
from playground.engines import WAIT_S, LeasedEngine, acquire, has_another, held
from playground.gateway.metrics import Followed, followed
from training.models import Checkpoint

TRIES = 3
TRY_AGAIN_S = 1.0
GONE_S = 60.0
"""So long an engine may be gone before that counts as a try: a supervisor that was killed is back by then."""


async def stream_completion(
    checkpoint: Checkpoint,
    messages: Sequence[Message],
    parameters: SamplingParameters,
    *,
    continue_raw_text: str | None = None,
    continue_token_ids: Sequence[int] | None = None,
    template_options: Mapping[str, Any] | None = None,
    timeout_s: float = WAIT_S,
) -> AsyncIterator[Event]:
    """The events of one answer: Waiting as often as need be, Started, Pieces, Finished.

    `messages` have a role and a content each, oldest first. To go on with an answer that broke off, give its
    token ids (exact), or its raw text. `template_options` are further variables for the checkpoint's
    template, such as enable_thinking: ours, never a client's own. Closing the iterator ends the engine's
    work: wrap it in `contextlib.aclosing`. Raises a GenerationError: PromptTooLong, EngineUnavailable, or
    EngineDied after any number of pieces, which stay valid. An engine that dies before the first piece is
    tried again.
    """
    job = await prepared(
        checkpoint, messages, parameters, continue_raw_text, continue_token_ids, template_options
    )
    async with aclosing(generate(job, timeout_s=timeout_s)) as events:
        async for event in events:
            yield event


async def generate(job: Job, *, timeout_s: float = WAIT_S) -> AsyncIterator[Event]:
    """As `stream_completion`, of an answer that is prepared. It holds nothing before it is iterated."""
    with followed(job.checkpoint.name) as answer:
        async with aclosing(tries(job, timeout_s, answer)) as events:
            async for event in events:
                if isinstance(event, Piece):
                    answer.begin()
                elif isinstance(event, Finished):
                    answer.finish(
                        event.finish_reason, event.usage.prompt_tokens, event.usage.completion_tokens
                    )
                yield event


async def tries(job: Job, timeout_s: float, answer: Followed) -> AsyncIterator[Event]:
    """Asks again, another engine if there is one, as long as nothing has been said yet. An engine that is not
    there any more was not asked: whoever looks after it starts another, or says that it is gone."""
    broke_off: list[int] = []
    tries_left, patience_ends = TRIES, time.monotonic() + min(GONE_S, timeout_s)
    while True:
        try:
            async with aclosing(attempt(job, timeout_s, broke_off)) as events:
                async for event in events:
                    yield event
                return
        except EngineDied as error:
            if not isinstance(error, EngineGone) or time.monotonic() > patience_ends:
                tries_left -= 1
            if answer.has_begun or not tries_left:
                raise
        except EngineRefused as error:
            if job.request.structure is None:
                raise
            raise ParameterError(
                "response_format", f"The answer cannot be held to this form: {error}"
            ) from error
        answer.retry()
        yield Waiting(f"the engine of {job.checkpoint.name} broke off before its first word; asking again")
        if not await has_another(job.checkpoint, broke_off):
            await asyncio.sleep(TRY_AGAIN_S)


async def attempt(job: Job, timeout_s: float, broke_off: list[int] | None = None) -> AsyncIterator[Event]:
    """One try, on one engine; its slot joins those that `broke_off` if it does, which are avoided."""
    broke_off = [] if broke_off is None else broke_off
    prompt_ids = job.request.prompt_ids
    steps = acquire(job.checkpoint, timeout_s=timeout_s, prompt_ids=prompt_ids, avoid=broke_off)
    engine = None
    async with aclosing(steps):
        async for step in steps:
            if isinstance(step, LeasedEngine):
                engine = step
            else:
                yield Waiting(step)
    assert engine is not None
    async with held(engine):
        try:
            async with aclosing(follow(job, client_for(job, engine))) as events:
                async for event in events:
                    if isinstance(event, Started):
                        engine.works()
                    yield event
        except EngineDied:
            broke_off.append(engine.slot)
            engine.broke_off()
            raise


def client_for(job: Job, engine: LeasedEngine) -> EngineClient:
    return EngineClient(engine.address, engine.kind, job.checkpoint.path, job.chat.tokenizer, engine.served)


async def follow(job: Job, client: EngineClient) -> AsyncIterator[Event]:
    """The engine's tokens as events, up to the end token, a stop text or the last token allowed."""
    writer = Writer(job)
    started = False
    async with aclosing(client.sample(job.request)) as stream:
        async for sampled in stream:
            if not started:
                started = True
                for event in writer.begin(sampled):
                    yield event
            if piece := writer.add(sampled):
                yield piece
            if writer.stops.found:
                break
    if piece := writer.last():
        yield piece
    yield writer.finished()
