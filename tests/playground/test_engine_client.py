"""What an engine's events become: tokens that came together stay together, unless each is needed alone."""

import asyncio
import json
from pathlib import Path

import pytest

from playground.core.engine_client import EngineClient, GenerationRequest, Sampled
from playground.core.errors import EngineDied
from playground.core.sampling import SamplingParameters
from tests.playground.test_engine_http import END, HEAD, chunk, server
from tracing.core.text.tokenizer import TextTokenizer


def event(content: object) -> bytes:
    return b"data: " + json.dumps(content).encode() + b"\n\n"


def token(number: int, reason: str | None = None) -> bytes:
    return event({"choices": [{"index": 0, "text": "?", "token_ids": [number], "finish_reason": reason}]})


async def sampled(
    path: Path, directory: Path, body: bytes, received: list[Sampled], **parameters: object
) -> None:
    """Adds what the client makes of an answer that comes all at once."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD + chunk(body) + END)

    request = GenerationRequest((1, 2), SamplingParameters(**parameters), 9, frozenset({0}))
    async with server(path, answer) as (address, _):
        client = EngineClient(address, "vllm", directory, TextTokenizer.open(directory))
        async for one in client.sample(request):
            received.append(one)


WHOLE = token(5) + token(6) + token(7, "length") + event({"choices": [], "usage": {}}) + b"data: [DONE]\n\n"


async def test_tokens_that_came_together_are_one_event(
    tmp_path: Path, checkpoint_directories: dict[str, Path]
) -> None:
    received: list[Sampled] = []
    await sampled(tmp_path, checkpoint_directories["tiny-one"], WHOLE, received)
    assert received == [Sampled((5, 6, 7), "length")]


async def test_tokens_come_alone_where_a_stop_text_may_end_the_answer_between_them(
    tmp_path: Path, checkpoint_directories: dict[str, Path]
) -> None:
    received: list[Sampled] = []
    await sampled(tmp_path, checkpoint_directories["tiny-one"], WHOLE, received, stop=("x",))
    assert received == [Sampled((5,), None), Sampled((6,), None), Sampled((7,), "length")]


async def test_tokens_before_an_error_are_not_lost(
    tmp_path: Path, checkpoint_directories: dict[str, Path]
) -> None:
    received: list[Sampled] = []
    body = token(5) + token(6) + event({"error": {"message": "out of memory"}})
    with pytest.raises(EngineDied, match="out of memory"):
        await sampled(tmp_path, checkpoint_directories["tiny-one"], body, received)
    assert received == [Sampled((5, 6), None)]


async def test_an_answer_without_an_end_has_broken_off(
    tmp_path: Path, checkpoint_directories: dict[str, Path]
) -> None:
    received: list[Sampled] = []
    with pytest.raises(EngineDied, match="in the middle"):
        await sampled(tmp_path, checkpoint_directories["tiny-one"], token(5), received)
    assert received == [Sampled((5,), None)]
