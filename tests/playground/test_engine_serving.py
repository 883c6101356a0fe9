"""A real engine process serves the checkpoints that are asked for, and outlives none of its promises."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from playground.completions import (
    EngineDied,
    Event,
    Finished,
    Piece,
    SamplingParameters,
    Started,
    Usage,
    Waiting,
    prepare,
    stream_completion,
)
from playground.completions.attempts import attempt
from playground.core.engine_client import client_of
from playground.core.errors import EngineUnavailable, PromptTooLong
from playground.core.prompt import ChatFormat
from playground.database import in_database
from playground.engines import lease
from playground.models import Engine, EngineLease, EngineState
from playground.supervisor import Supervisor
from tests.playground.conftest import generated_tokens, running_answers, until
from tests.playground.tiny_model import CONTEXT_TOKENS
from training.core.serving.engine_process import SERVED_NAME
from training.models import Checkpoint

HELLO = [{"role": "user", "content": "Hello there"}]
GREEDY = SamplingParameters(temperature=0, max_tokens=24)
LONG = SamplingParameters(temperature=1, max_tokens=900, seed=5)

Checkpoints = dict[str, Checkpoint]


async def events_of(
    checkpoint: Checkpoint, parameters: SamplingParameters = GREEDY, **options: object
) -> list:
    return [event async for event in stream_completion(checkpoint, HELLO, parameters, **options)]


def ids_of(events: list[Event]) -> list[int]:
    return [i for event in events if isinstance(event, Piece) for i in event.token_ids]


def text_of(events: list[Event]) -> str:
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


async def test_a_checkpoint_that_is_not_loaded_says_so_and_is_loaded(
    engines: Supervisor, checkpoints: Checkpoints
) -> None:
    events = await events_of(checkpoints["tiny-two"])
    waits = [event.reason for event in events if isinstance(event, Waiting)]
    assert any("tiny-two" in reason for reason in waits)
    assert ids_of(events)


async def test_the_same_seed_gives_the_same_answer(engines: Supervisor, checkpoints: Checkpoints) -> None:
    first, again, other = [
        ids_of(await events_of(checkpoints["tiny-one"], SamplingParameters(max_tokens=40, seed=seed)))
        for seed in (7, 7, 8)
    ]
    assert first == again != other


async def test_an_answer_goes_on_exactly_from_what_it_has(
    engines: Supervisor, checkpoints: Checkpoints
) -> None:
    whole = ids_of(await events_of(checkpoints["tiny-one"]))
    rest = await events_of(checkpoints["tiny-one"], continue_token_ids=whole[:9])
    assert ids_of(rest)[: len(whole) - 9] == whole[9:]
    text = ChatFormat(checkpoints["tiny-one"].path).tokenizer.decode(whole[:9])[0]
    by_text = await events_of(checkpoints["tiny-one"], continue_raw_text=text)
    assert isinstance(by_text[-1], Finished)


async def test_an_answer_ends_before_a_stop_text_and_at_its_last_token(
    engines: Supervisor, checkpoints: Checkpoints
) -> None:
    whole = await events_of(checkpoints["tiny-one"])
    assert whole[-1].finish_reason == "length"
    assert whole[-1].usage.completion_tokens == 24
    stop = text_of(whole)[6:9]
    stopped = await events_of(
        checkpoints["tiny-one"], SamplingParameters(temperature=0, max_tokens=24, stop=(stop,))
    )
    assert text_of(stopped) == text_of(whole)[: text_of(whole).index(stop)]
    assert stopped[-1].finish_reason == "stop"


async def test_the_end_token_ends_the_answer_and_is_no_part_of_it(
    engines: Supervisor, checkpoints: Checkpoints
) -> None:
    whole = ids_of(await events_of(checkpoints["tiny-one"]))
    job = prepare(checkpoints["tiny-one"], HELLO, GREEDY)
    job = replace(job, request=replace(job.request, end_ids=frozenset({whole[10]})))
    events = [event async for event in attempt(job, timeout_s=60)]
    length = whole.index(whole[10])
    assert ids_of(events) == whole[:length]
    assert events[-1] == Finished("stop", Usage(len(job.prompt.token_ids), length + 1))


async def test_a_prompt_that_fills_the_context_is_refused(
    engines: Supervisor, checkpoints: Checkpoints
) -> None:
    messages = [{"role": "user", "content": "x " * CONTEXT_TOKENS}]
    with pytest.raises(PromptTooLong, match="1,024"):
        [event async for event in stream_completion(checkpoints["tiny-one"], messages, GREEDY)]


async def read_first_piece(stream: AsyncIterator[Event]) -> None:
    async for event in stream:
        if isinstance(event, Piece):
            return


async def test_closing_an_answer_frees_the_engine(engines: Supervisor, checkpoints: Checkpoints) -> None:
    engine = await in_database(Engine.objects.get)
    before = generated_tokens(engine)
    async with aclosing(stream_completion(checkpoints["tiny-one"], HELLO, LONG)) as stream:
        await read_first_piece(stream)
        assert await in_database(EngineLease.objects.count) == 1
    await until(lambda: running_answers(engine) == 0)
    assert generated_tokens(engine) - before < LONG.max_tokens
    await until(lambda: not EngineLease.objects.exists())


async def test_cancelling_the_reader_frees_the_engine(engines: Supervisor, checkpoints: Checkpoints) -> None:
    engine = await in_database(Engine.objects.get)
    before = generated_tokens(engine)
    reader = asyncio.create_task(events_of(checkpoints["tiny-one"], LONG))
    await until(lambda: running_answers(engine) == 1)
    reader.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reader
    await until(lambda: running_answers(engine) == 0)
    assert generated_tokens(engine) - before < LONG.max_tokens
    await until(lambda: not EngineLease.objects.exists())


async def test_weights_stay_while_a_lease_lives_then_the_one_who_waits_gets_the_engine(
    engines: Supervisor, checkpoints: Checkpoints
) -> None:
    """The one engine answers as tiny-one throughout, although tiny-two is asked for in the middle."""
    long = SamplingParameters(max_tokens=300, seed=5)
    expected = ids_of(await events_of(checkpoints["tiny-one"], long))
    first = asyncio.create_task(events_of(checkpoints["tiny-one"], long))
    await until(lambda: EngineLease.objects.exists())
    second = asyncio.create_task(events_of(checkpoints["tiny-two"]))
    assert ids_of(await first) == expected
    assert ids_of(await second) == greedy_reference(checkpoints["tiny-two"], 24)


async def test_an_engine_that_is_wanted_elsewhere_takes_no_new_answers(
    engines: Supervisor, checkpoints: Checkpoints
) -> None:
    """Otherwise chats that follow one another closely would keep everyone else out for good."""
    async with lease(checkpoints["tiny-one"]):
        waiting = asyncio.create_task(events_of(checkpoints["tiny-two"]))
        draining = Engine.objects.filter(state=EngineState.DRAINING)
        await until(lambda: draining.exists(), timeout_s=15)
    assert ids_of(await waiting) == greedy_reference(checkpoints["tiny-two"], 24)


async def test_many_answers_share_the_engine(engines: Supervisor, checkpoints: Checkpoints) -> None:
    alone = ids_of(await events_of(checkpoints["tiny-one"]))
    together = await asyncio.gather(*(events_of(checkpoints["tiny-one"]) for _ in range(8)))
    assert all(ids_of(events) == alone for events in together)
    await until(lambda: not EngineLease.objects.exists())


async def test_expired_leases_of_dead_processes_do_not_hold_an_engine(
    engines: Supervisor, checkpoints: Checkpoints
) -> None:
    def abandon() -> None:
        engine = Engine.objects.get()
        EngineLease.objects.create(engine=engine, expires_at=engine.heartbeat_at)

    await in_database(abandon)
    assert ids_of(await events_of(checkpoints["tiny-two"]))


async def test_a_checkpoint_without_files_is_unavailable_at_once(
    engines: Supervisor, checkpoints: Checkpoints
) -> None:
    gone = await in_database(
        Checkpoint.objects.create, name="gone", stage="x", step=1, steps=1, chat="chatml"
    )
    with pytest.raises(EngineUnavailable, match=r"gone cannot be served.*config\.json"):
        async with lease(gone):
            pass


async def test_without_a_supervisor_nobody_waits_in_vain(
    checkpoints: Checkpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("playground.engines.SUPERVISOR_GRACE_S", 0.5)
    told: list[str] = []

    async def tell(reason: str) -> None:
        told.append(reason)

    with pytest.raises(EngineUnavailable, match=r"manage\.py engines"):
        async with lease(checkpoints["tiny-one"], on_wait=tell):
            pass
    assert told == ["waiting for the engines to start"]


async def test_an_engine_killed_in_mid_answer_is_reported_and_another_process_started(
    engines: Supervisor, checkpoints: Checkpoints
) -> None:
    """First for a checkpoint of another architecture, then, from that one, for the answer's own again."""
    killed = await in_database(Engine.objects.get)
    received: list[Event] = []

    async def read_and_kill() -> None:
        async for event in stream_completion(checkpoints["tiny-one"], HELLO, LONG):
            received.append(event)
            if len(ids_of(received)) >= 20:
                os.kill(killed.pid, signal.SIGKILL)

    with pytest.raises(EngineDied):
        await read_and_kill()
    kept = ids_of(received)
    assert len(kept) >= 20

    events = await events_of(checkpoints["wide"])
    assert ids_of(events) == greedy_reference(checkpoints["wide"], 24)
    wide = await in_database(Engine.objects.get)
    assert wide.pid != killed.pid
    assert wide.restarts == killed.restarts + 1

    assert ids_of(await events_of(checkpoints["tiny-one"], continue_token_ids=kept))
    last = await in_database(Engine.objects.get)
    assert last.pid not in {killed.pid, wide.pid}
    assert last.restarts == wide.restarts
