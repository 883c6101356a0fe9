"""/v1/chat/completions answers as OpenAI's clients expect, over a real engine behind a real web server."""

import asyncio
import json
import shutil
import threading
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from playground.completions import EngineDied, Event, Finished, Piece, Usage
from playground.core.think_split import split_thinking
from playground.database import in_database
from playground.engines import lease
from playground.models import Deployment, Engine, EngineLease
from playground.openai.answer import Answer
from playground.openai.streaming import chunk_lines
from playground.supervisor import Supervisor
from tests.playground.conftest import generated_tokens, register, running_answers, until
from tests.playground.tiny_model import CHATML
from training.models import Checkpoint

HELLO = [{"role": "user", "content": "Hello there"}]
ASK = {"model": "tiny-one", "messages": HELLO, "temperature": 0, "max_tokens": 24}
LONG = {"model": "tiny-one", "messages": HELLO, "max_tokens": 900}

Checkpoints = dict[str, Checkpoint]
Json = dict[str, Any]


def chunks_of(body: str) -> list[Json]:
    """The stream's objects; it must end with [DONE]."""
    lines = [line.removeprefix("data: ") for line in body.split("\n\n") if line]
    assert lines[-1] == "[DONE]"
    return [json.loads(line) for line in lines[:-1]]


def joined(chunks: list[Json], name: str) -> str:
    choices = [choice for chunk in chunks for choice in chunk["choices"]]
    return "".join(choice["delta"].get(name, "") for choice in choices)


async def test_an_answer_comes_whole(api: httpx.AsyncClient, engines: Supervisor) -> None:
    response = await api.post("/chat/completions", json=ASK)
    answer = response.json()
    assert response.status_code == 200
    assert response.headers["x-request-id"].startswith("req_")
    assert (answer["object"], answer["model"]) == ("chat.completion", "tiny-one")
    [choice] = answer["choices"]
    assert choice["message"]["role"] == "assistant"
    assert choice["message"]["content"]
    assert choice["message"]["reasoning"] is None
    assert choice["finish_reason"] == "length"
    usage = answer["usage"]
    assert usage["completion_tokens"] == 24
    assert usage["total_tokens"] == usage["prompt_tokens"] + 24


async def test_a_streamed_answer_is_the_whole_one_in_chunks(
    api: httpx.AsyncClient, engines: Supervisor
) -> None:
    whole = (await api.post("/chat/completions", json=ASK)).json()
    options = {"stream": True, "stream_options": {"include_usage": True}}
    response = await api.post("/chat/completions", json=ASK | options)
    assert response.headers["content-type"] == "text/event-stream"
    chunks = chunks_of(response.text)
    assert {chunk["object"] for chunk in chunks} == {"chat.completion.chunk"}
    assert len({chunk["id"] for chunk in chunks}) == 1
    assert chunks[0]["choices"][0]["delta"]["role"] == "assistant"
    assert joined(chunks, "content") == whole["choices"][0]["message"]["content"]
    assert chunks[-2]["choices"][0]["finish_reason"] == "length"
    assert chunks[-1]["choices"] == []
    assert chunks[-1]["usage"] == whole["usage"]


async def test_token_ids_come_along_where_they_are_asked_for(
    api: httpx.AsyncClient, engines: Supervisor
) -> None:
    ask = ASK | {"return_token_ids": True}
    whole = (await api.post("/chat/completions", json=ask)).json()["choices"][0]["token_ids"]
    chunks = chunks_of((await api.post("/chat/completions", json=ask | {"stream": True})).text)
    assert [i for chunk in chunks for c in chunk["choices"] for i in c.get("token_ids", [])] == whole
    assert len(whole) == 24


async def test_thinking_is_apart_from_the_answer(
    api: httpx.AsyncClient, engines: Supervisor, checkpoints: Checkpoints
) -> None:
    """Tiny-one's weights under a template that opens the thinking: all that it writes is thinking."""
    path = checkpoints["tiny-one"].path.with_name("thinker")
    shutil.copytree(checkpoints["tiny-one"].path, path, dirs_exist_ok=True)
    (path / "chat_template.jinja").write_text(CHATML + "{% if add_generation_prompt %}<think>\n{% endif %}")
    await in_database(register, "thinker", path)
    ask = ASK | {"model": "thinker"}
    message = (await api.post("/chat/completions", json=ask)).json()["choices"][0]["message"]
    assert message["reasoning"] == message["reasoning_content"]
    assert message["reasoning"].strip() == message["reasoning"] != ""
    assert message["content"] == ""
    chunks = chunks_of((await api.post("/chat/completions", json=ask | {"stream": True})).text)
    assert joined(chunks, "reasoning") == joined(chunks, "reasoning_content") == message["reasoning"]
    assert joined(chunks, "content") == ""


async def test_parameters_are_obeyed(api: httpx.AsyncClient, engines: Supervisor) -> None:
    content = (await api.post("/chat/completions", json=ASK)).json()["choices"][0]["message"]["content"]
    stop = content[5:8]
    ask = ASK | {"stop": stop, "max_tokens": None, "max_completion_tokens": 24}
    choice = (await api.post("/chat/completions", json=ask)).json()["choices"][0]
    assert choice["message"]["content"] == content[: content.index(stop)]
    assert choice["finish_reason"] == "stop"
    seeded = ASK | {"temperature": 1, "top_p": 0.9, "seed": 3}
    first, again = [(await api.post("/chat/completions", json=seeded)).json() for _ in range(2)]
    assert first["choices"] == again["choices"]


async def test_what_changes_nothing_is_accepted(api: httpx.AsyncClient, engines: Supervisor) -> None:
    extra = {"n": 1, "user": "me", "tools": [], "response_format": {"type": "text"}, "presence_penalty": 0.0}
    turns = [
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "Hello "}, {"type": "text", "text": "there"}]},
        {"role": "assistant", "content": "Hi.", "reasoning": "They greet.", "refusal": None},
        *HELLO,
    ]
    response = await api.post("/chat/completions", json=ASK | extra | {"messages": turns})
    assert response.status_code == 200, response.text


async def test_any_checkpoint_answers_the_next_request(api: httpx.AsyncClient, engines: Supervisor) -> None:
    one, two = [
        (await api.post("/chat/completions", json=ASK | {"model": name})).json()
        for name in ("tiny-one", "tiny-two")
    ]
    assert (one["model"], two["model"]) == ("tiny-one", "tiny-two")
    assert one["choices"] != two["choices"]


@pytest.mark.parametrize("stream", [True, False])
async def test_a_client_that_leaves_frees_the_engine(
    api: httpx.AsyncClient, engines: Supervisor, stream: bool
) -> None:
    engine = await in_database(Engine.objects.get)
    before = generated_tokens(engine)
    asking = asyncio.create_task(api.post("/chat/completions", json=LONG | {"stream": stream}))
    await until(lambda: running_answers(engine) == 1)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    await until(lambda: running_answers(engine) == 0)
    assert generated_tokens(engine) - before < LONG["max_tokens"]
    await until(lambda: not EngineLease.objects.exists())


async def test_many_clients_stream_at_once(api: httpx.AsyncClient, engines: Supervisor) -> None:
    ask = ASK | {"stream": True}
    bodies = await asyncio.gather(*(api.post("/chat/completions", json=ask) for _ in range(12)))
    assert len({joined(chunks_of(body.text), "content") for body in bodies}) == 1


async def lines_of(checkpoint: Checkpoint, *events: Event | Exception) -> list[Json]:
    async def replay() -> Any:
        for event in events:
            if isinstance(event, Exception):
                raise event
            yield 0, event

    lines = [line async for line in chunk_lines(Answer(checkpoint), replay(), include_usage=False)]
    return chunks_of(b"".join(lines).decode())


async def test_an_error_in_mid_stream_ends_it_with_an_error_event() -> None:
    piece, died = Piece((1,), "half an"), EngineDied("The engine broke off.")
    chunks = await lines_of(Checkpoint(name="tiny-one"), piece, died)
    assert chunks[-2]["choices"][0]["delta"] == {"content": "half an"}
    assert chunks[-1]["error"]["message"] == "The engine broke off."
    assert chunks[-1]["error"]["code"] == "engine_failed"


async def test_a_bug_in_mid_stream_is_not_told_to_the_client() -> None:
    chunks = await lines_of(Checkpoint(name="tiny-one"), ValueError("secret"))
    assert "secret" not in str(chunks)
    assert chunks[-1]["error"]["type"] == "server_error"


pieces = st.lists(
    st.sampled_from(["<think>", "</think>", "<thi", "nk>", "a", " ", "\n", "7 + 8"]), max_size=8
)


@given(pieces)
def test_chunks_and_whole_answers_tell_the_same(texts: list[str]) -> None:
    answer = Answer(Checkpoint(name="tiny-one"))
    chunks = [chunk for n, text in enumerate(texts) for chunk in answer.take(0, Piece((n,), text))]
    chunks += answer.take(0, Finished("stop", Usage(3, len(texts))))
    message = answer.whole()["choices"][0]["message"]
    split = split_thinking("".join(texts))
    assert joined(chunks, "content") == message["content"] == split.answer_text
    assert joined(chunks, "reasoning") == (message["reasoning"] or "") == split.thinking_text
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"


async def test_streams_hold_no_threads(api: httpx.AsyncClient, engines: Supervisor) -> None:
    """The web server runs in this process: its threads for requests end when their streams begin."""
    ask = LONG | {"stream": True, "temperature": 0}
    asking = [asyncio.create_task(api.post("/chat/completions", json=ask)) for _ in range(30)]
    engine = await in_database(Engine.objects.get)
    await until(lambda: running_answers(engine) == 30, timeout_s=60.0)
    await until(lambda: len(request_threads()) < 10)
    assert running_answers(engine) == 30
    for task in asking:
        task.cancel()
    await asyncio.gather(*asking, return_exceptions=True)


def request_threads() -> list[str]:
    """Threads that Django made for requests; those that wait in shared pools have other names."""
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("ThreadPoolExecutor")]


async def lines_until_it_begins(api: httpx.AsyncClient, model: str) -> AsyncIterator[str]:
    """What a stream says, its first chunk the last."""
    async with api.stream("POST", "/chat/completions", json=ASK | {"model": model, "stream": True}) as answer:
        assert answer.status_code == 200
        async for line in answer.aiter_lines():
            if line:
                yield line
            if line.startswith("data:"):
                return


async def test_a_stream_that_waits_for_its_model_is_told_its_place(
    api: httpx.AsyncClient,
    engines: Supervisor,
    checkpoints: dict[str, Checkpoint],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("playground.openai.streaming.PATIENCE_S", 0.0)
    async with lease(checkpoints["tiny-one"]):
        first, second = lines_until_it_begins(api, "tiny-two"), lines_until_it_begins(api, "wide")
        comments = [await anext(first)]
        assert "place 2 in the queue" in await anext(second)
        await second.aclose()
        await Deployment.objects.filter(checkpoint=checkpoints["wide"]).aupdate(wanted_at=None)
    *others, begun = [line async for line in first]
    assert "place 1 in the queue" in comments[0]
    assert all(line.startswith(": ") for line in others)
    assert begun.startswith("data: {")
