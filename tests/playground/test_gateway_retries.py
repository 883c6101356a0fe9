"""An answer is asked for again, of another engine, until its first token, and never after it.

Servers on private sockets stand in for engines that break off at a given place, which a real one does not.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from playground.completions import (
    EngineDied,
    Event,
    Finished,
    Piece,
    SamplingParameters,
    Waiting,
    stream_completion,
)
from playground.core.breaker import FAILURES
from playground.database import in_database
from playground.gateway.gate import gate
from playground.models import Engine, EngineLease, EngineState
from tests.playground.conftest import register, until
from tests.playground.test_engine_http import END, HEAD, Answer, chunk, server
from training.models import Checkpoint

pytestmark = pytest.mark.django_db(transaction=True)

HELLO = [{"role": "user", "content": "Hello"}]
TOKENS = (70, 71, 72)


def event(token: int, reason: str | None = None) -> bytes:
    choice = {"index": 0, "text": "?", "token_ids": [token], "finish_reason": reason}
    return chunk(b"data: " + json.dumps({"choices": [choice]}).encode() + b"\n\n")


def says(tokens: int, *, whole: bool = True) -> Answer:
    """An engine that sends so many tokens, then ends its answer or breaks off."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD)
        for n in range(tokens):
            writer.write(event(TOKENS[n], "length" if whole and n == tokens - 1 else None))
        if whole:
            writer.write(chunk(b"data: [DONE]\n\n") + END)
        await writer.drain()
        if not whole:
            raise ConnectionError

    return answer


def add_engine(slot: int, checkpoint: Checkpoint, address: str) -> None:
    now = timezone.now()
    Engine.objects.create(
        slot=slot,
        kind="vllm",
        state=EngineState.READY,
        checkpoint=checkpoint,
        address=address,
        ready_at=now,
        heartbeat_at=now + timedelta(hours=1),
    )


@pytest.fixture
def checkpoint(checkpoint_directories: dict[str, Path], transactional_db: None) -> Checkpoint:
    return register("tiny-one", checkpoint_directories["tiny-one"])


@asynccontextmanager
async def engines_that(
    answers: list[Answer], checkpoint: Checkpoint, path: Path
) -> AsyncIterator[list[list[int]]]:
    """Engines in slots 0, 1, ...; gives the requests that each got, one number a connection."""
    got = []
    async with AsyncExitStack() as stack:
        for slot, answer in enumerate(answers):
            (folder := path / str(slot)).mkdir()
            address, requests = await stack.enter_async_context(server(folder, answer))
            await in_database(add_engine, slot, checkpoint, address)
            got.append(requests)
        yield got
        await until(lambda: not EngineLease.objects.exists())


async def read(checkpoint: Checkpoint, events: list[Event]) -> None:
    """Adds an answer's events to those given, until it ends or breaks off."""
    async for one in stream_completion(checkpoint, HELLO, SamplingParameters(max_tokens=3)):
        events.append(one)


async def asked(checkpoint: Checkpoint) -> list[Event]:
    events: list[Event] = []
    await read(checkpoint, events)
    return events


def ids_of(events: list[Event]) -> list[int]:
    return [i for event in events if isinstance(event, Piece) for i in event.token_ids]


async def test_another_engine_answers_where_the_first_breaks_off_before_its_first_token(
    checkpoint: Checkpoint, tmp_path: Path
) -> None:
    async with engines_that([says(0, whole=False), says(3)], checkpoint, tmp_path) as got:
        for _ in range(4):
            events = await asked(checkpoint)
            assert ids_of(events) == list(TOKENS)
            assert isinstance(events[-1], Finished)
        assert 1 <= sum(got[0]) <= 4
        assert sum(got[1]) == 4


async def test_an_answer_that_has_begun_is_never_asked_for_again(
    checkpoint: Checkpoint, tmp_path: Path
) -> None:
    async with engines_that([says(2, whole=False), says(2, whole=False)], checkpoint, tmp_path) as got:
        received: list[Event] = []
        with pytest.raises(EngineDied):
            await read(checkpoint, received)
        assert ids_of(received) == list(TOKENS[:2])
        assert sum(got[0]) + sum(got[1]) == 1


async def test_an_engine_that_is_gone_is_waited_for(checkpoint: Checkpoint, tmp_path: Path) -> None:
    """As when the supervisor was killed, and its engines with it, and is back a few seconds later."""
    await in_database(add_engine, 0, checkpoint, f"unix://{tmp_path / 'nobody.sock'}")
    asking = asyncio.create_task(asked(checkpoint))
    await asyncio.sleep(4)
    assert not asking.done()
    async with server(tmp_path, says(3)) as (address, _):
        await in_database(Engine.objects.update, address=address, ready_at=timezone.now())
        assert ids_of(await asking) == list(TOKENS)
        await until(lambda: not EngineLease.objects.exists())


async def test_an_engine_that_keeps_failing_is_told_so_and_tried_again_later(
    checkpoint: Checkpoint, tmp_path: Path
) -> None:
    broken = True

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await (says(0, whole=False) if broken else says(3))(reader, writer)

    async with engines_that([answer], checkpoint, tmp_path) as got:
        with pytest.raises(EngineDied):
            await asked(checkpoint)
        assert sum(got[0]) == FAILURES
        assert gate().resting_s(checkpoint.pk) > 0
        broken = False
        events = await asked(checkpoint)
        waits = [e.reason for e in events if isinstance(e, Waiting)]
        assert waits == ["the engine of tiny-one keeps failing and is asked again in a moment"]
        assert ids_of(events) == list(TOKENS)
        assert gate().resting_s(checkpoint.pk) == 0
