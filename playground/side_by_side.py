"""Several answers at once: their events as they come, each with the number of its answer."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from playground.cancellation import end
from playground.completions import Event, Job, Piece, generate
from playground.core.sampling import SEEDS
from playground.metering import Meter

Numbered = tuple[int, Event]


def seeded(job: Job, number: int) -> Job:
    """The job of a further answer to one prompt: with the request's own seed all would be the same."""
    seed = job.request.parameters.seed
    if number == 0 or seed is None:
        return job
    shifted = (seed + number + SEEDS) % (2 * SEEDS) - SEEDS
    parameters = replace(job.request.parameters, seed=shifted)
    return replace(job, request=replace(job.request, parameters=parameters))


async def numbered_events(jobs: Sequence[Job]) -> AsyncIterator[Numbered]:
    """Closing it ends all the engine's work; an error of one answer ends the others and is raised."""
    if len(jobs) == 1:
        async with aclosing(generate(jobs[0])) as events:
            async for event in events:
                yield 0, event
        return
    arrived: asyncio.Queue[Numbered | Exception | None] = asyncio.Queue()
    tasks = [asyncio.create_task(follow(number, job, arrived)) for number, job in enumerate(jobs)]
    running = len(tasks)
    try:
        while running:
            match await arrived.get():
                case None:
                    running -= 1
                case Exception() as error:
                    raise error
                case (int() as number, event):
                    yield number, event
    finally:
        await asyncio.gather(*map(end, tasks))


async def follow(number: int, job: Job, arrived: asyncio.Queue[Any]) -> None:
    try:
        async with aclosing(generate(job)) as events:
            async for event in events:
                arrived.put_nowait((number, event))
        arrived.put_nowait(None)
    except Exception as error:
        arrived.put_nowait(error)


async def metered_numbered(
    events: AsyncIterator[Numbered], meter: Meter, prompts: Sequence[int] = ()
) -> AsyncIterator[Numbered]:
    """The events, counted; `prompts` says which prompt each answer is to, and each prompt counts once."""
    parts: dict[int, Meter] = {}
    try:
        async with aclosing(events):  # type: ignore[type-var]
            async for number, event in events:
                part = parts.setdefault(number, Meter(meter.spender, meter.model))
                part.see(event)
                if not isinstance(event, Piece):
                    meter.started_at = meter.started_at or part.started_at
                yield number, event
    finally:
        firsts = {prompts[n] if prompts else 0: part for n, part in parts.items()}
        meter.prompt_tokens = sum(part.prompt_tokens for part in firsts.values())
        meter.completion_tokens = sum(part.completion_tokens for part in parts.values())
        meter.close()
