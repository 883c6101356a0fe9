"""A real engine process serves the checkpoints that are asked for, and outlives none of its promises."""

import asyncio
import os
import signal
from contextlib import aclosing
from pathlib import Path

import httpx
import pytest
import torch
from asgiref.sync import sync_to_async
from transformers import AutoModelForCausalLM

from playground.completions import (
    EngineDied,
    Finished,
    Piece,
    SamplingParameters,
    Started,
    Waiting,
    stream_completion,
)
from playground.core.engine_client import client_of
from playground.core.engine_process import SERVED_NAME
from playground.core.errors import EngineUnavailable, PromptTooLong
from playground.core.prompt import ChatFormat
from playground.database import in_database
from playground.engines import lease
from playground.models import Engine, EngineLease, EngineState
from playground.supervisor import Supervisor
from tests.playground.conftest import running_answers, until
from tests.playground.tiny_model import CONTEXT_TOKENS
from training.models import Checkpoint

HELLO = [{"role": "user", "content": "Hello there"}]
GREEDY = SamplingParameters(temperature=0, max_tokens=24)
LONG = SamplingParameters(temperature=1, max_tokens=900, seed=5)

Checkpoints = dict[str, Checkpoint]


async def events_of(
    checkpoint: Checkpoint, parameters: SamplingParameters = GREEDY, **options: object
) -> list:
    return [event async for event in stream_completion(checkpoint, HELLO, parameters, **options)]


def ids_of(events: list) -> list[int]:
    return [i for event in events if isinstance(event, Piece) for i in event.token_ids]


def text_of(events: list) -> str:
    return "".join(event.text for event in events if isinstance(event, Piece))


def greedy_reference(checkpoint: Checkpoint, count: int) -> list[int]:
    """What transformers samples greedily from the same checkpoint and prompt, up to its end token."""
    chat = ChatFormat(checkpoint.path)
    ids = list(chat.prompt(HELLO).token_ids)
    model = AutoModelForCausalLM.from_pretrained(checkpoint.path).eval()
    out: list[int] = []
    with torch.no_grad():
        while len(out) < count:
            token = int(model(torch.tensor([ids + out])).logits[0, -1].argmax())
            if token in chat.end_ids:
                break
            out.append(token)
    return out


async def test_an_answer_is_what_transformers_would_write(
    engines: Supervisor, checkpoints: Checkpoints
) -> None:
    for name in ("tiny-one", "tiny-two"):
        events = await events_of(checkpoints[name])
        assert ids_of(events) == greedy_reference(checkpoints[name], 24)
        chat = ChatFormat(checkpoints[name].path)
        assert text_of(events) == chat.tokenizer.decode(ids_of(events))[0]
        [started] = [event for event in events if isinstance(event, Started)]
        assert started.prompt_token_ids == chat.prompt(HELLO).token_ids
        assert isinstance(events[-1], Finished)


async def served_log_probabilities(checkpoint: Checkpoint, token_ids: list[int]) -> list[float]:
    """What the engine that holds the checkpoint gives to each token after the first."""
    body = {
        "model": SERVED_NAME,
        "prompt": token_ids,
        "max_tokens": 1,
        "prompt_logprobs": 0,
        "temperature": 0,
    }
    async with lease(checkpoint) as engine:
        answer = (await client_of(engine.address).post("/v1/completions", json=body)).json()
    given = answer["choices"][0]["prompt_logprobs"][1:]
    return [entry[str(token)]["logprob"] for entry, token in zip(given, token_ids[1:], strict=True)]


def reference_log_probabilities(directory: Path, token_ids: list[int]) -> list[float]:
    model = AutoModelForCausalLM.from_pretrained(directory).eval()
    with torch.no_grad():
        logits = model(torch.tensor([token_ids])).logits[0, :-1]
    chosen = torch.log_softmax(logits, -1).gather(1, torch.tensor(token_ids[1:]).unsqueeze(1))
    return chosen.squeeze(1).tolist()


async def test_log_probabilities_after_each_swap_are_the_checkpoints_own(
    engines: Supervisor, checkpoints: Checkpoints
) -> None:
    """Longer than the sliding window, and back again, so that neither weights nor cache are left over."""
    token_ids = torch.randint(4, 512, (200,), generator=torch.Generator().manual_seed(0)).tolist()
    process = engines.slots[0].process.pid
    for name in ("tiny-one", "tiny-two", "tiny-one"):
        served = await served_log_probabilities(checkpoints[name], token_ids)
        expected = reference_log_probabilities(checkpoints[name].path, token_ids)
        assert served == pytest.approx(expected, abs=1e-3)
    assert engines.slots[0].process.pid == process
