"""Functions and structured answers over /v1, with a real engine that is held to their form."""

import json
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from playground.completions import Finished, Piece, Usage
from playground.openai.answer import Answer
from playground.openai.choices import Wanted
from playground.supervisor import Supervisor
from tests.playground.test_openai_chat import chunks_of, joined
from tests.playground.tool_models import CITIES, FORECAST, TOOLS, make_caller
from training.models import Checkpoint

Checkpoints = dict[str, Checkpoint]
Json = dict[str, Any]
ASK = {"model": "tiny-caller", "temperature": 0, "max_tokens": 600, "tools": TOOLS}
QUESTION = [{"role": "user", "content": "How is the weather in Oslo?"}]


@pytest.fixture
async def caller(engines: Supervisor, checkpoints: Checkpoints) -> Checkpoint:
    return await make_caller(checkpoints["tiny-one"])


async def answer(api: httpx.AsyncClient, **ask: Any) -> Json:
    response = await api.post("/chat/completions", json=ASK | {"messages": QUESTION} | ask)
    assert response.status_code == 200, response.text
    return response.json()["choices"][0]


def check_call(call: Json) -> None:
    assert (call["type"], call["id"][:5]) == ("function", "call_")
    arguments = json.loads(call["function"]["arguments"])
    if call["function"]["name"] == "get_time":
        assert arguments == {}
    else:
        assert call["function"]["name"] == "get_weather"
        assert arguments["city"] in CITIES
        assert arguments.get("days", 1) in (1, 2, 3)


async def test_a_required_call_is_made_and_its_result_goes_back(
    api: httpx.AsyncClient, caller: Checkpoint
) -> None:
    choice = await answer(api, tool_choice="required")
    assert (choice["finish_reason"], choice["message"]["content"]) == ("tool_calls", None)
    calls = choice["message"]["tool_calls"]
    for call in calls:
        check_call(call)
    results = [{"role": "tool", "tool_call_id": call["id"], "content": "12 degrees"} for call in calls]
    further = await answer(api, messages=[*QUESTION, choice["message"], *results], max_tokens=8)
    assert further["finish_reason"] == "length"
    assert further["message"]["content"]


async def test_a_named_function_is_called_once(api: httpx.AsyncClient, caller: Checkpoint) -> None:
    named = {"type": "function", "function": {"name": "get_weather"}}
    [call] = (await answer(api, tool_choice=named))["message"]["tool_calls"]
    assert call["function"]["name"] == "get_weather"
    check_call(call)


async def test_streamed_calls_are_the_whole_ones(api: httpx.AsyncClient, caller: Checkpoint) -> None:
    ask = {"tool_choice": "required", "parallel_tool_calls": False}
    [whole] = (await answer(api, **ask))["message"]["tool_calls"]
    response = await api.post("/chat/completions", json=ASK | ask | {"messages": QUESTION, "stream": True})
    choices = [choice for chunk in chunks_of(response.text) for choice in chunk["choices"]]
    [call] = [call for choice in choices for call in choice["delta"].get("tool_calls", [])]
    assert (call["index"], call["function"]) == (0, whole["function"])
    assert choices[-1]["finish_reason"] == "tool_calls"
    assert not any(choice["delta"].get("content") for choice in choices)


async def test_a_function_that_is_not_offered_is_not_shown(
    api: httpx.AsyncClient, caller: Checkpoint
) -> None:
    """With tool_choice none the prompt is the one without tools."""
    asks = ({"tool_choice": "none"}, {"tools": None}, {"tool_choice": "auto"})
    counts = []
    for ask in asks:
        body = {k: v for k, v in (ASK | {"messages": QUESTION, "max_tokens": 1} | ask).items() if v}
        counts.append((await api.post("/chat/completions", json=body)).json()["usage"]["prompt_tokens"])
    assert counts[0] == counts[1] < counts[2]


async def test_a_model_without_a_place_for_functions_says_so(
    api: httpx.AsyncClient, checkpoints: Checkpoints
) -> None:
    for stream in (True, False):
        ask = ASK | {"model": "tiny-one", "messages": QUESTION, "stream": stream}
        response = await api.post("/chat/completions", json=ask)
        error = response.json()["error"]
        assert (response.status_code, error["code"], error["param"]) == (400, "tools_not_supported", "tools")
        assert "no place for functions" in error["message"]


@pytest.mark.parametrize("kind", ["json_object", "json_schema"])
async def test_an_answer_has_the_form_asked_for(
    api: httpx.AsyncClient, engines: Supervisor, kind: str
) -> None:
    """Of the model itself nothing can be expected: all that it writes is the engine's doing."""
    schema = {"name": "forecast", "schema": FORECAST, "strict": True}
    form = {"type": kind} | ({"json_schema": schema} if kind == "json_schema" else {})
    ask = {"model": "tiny-one", "messages": QUESTION, "max_tokens": 300, "seed": 5, "response_format": form}
    choice = (await api.post("/chat/completions", json=ask)).json()["choices"][0]
    content = choice["message"]["content"]
    if kind == "json_object":
        assert content.lstrip()[0] == "{"
    else:
        assert choice["finish_reason"] == "stop"
        read = json.loads(content)
        assert (set(read), type(read["warm"])) == ({"city", "warm"}, bool)
        assert read["city"] in CITIES


async def test_an_answer_that_thinks_has_its_form_behind_the_thinking(
    api: httpx.AsyncClient, engines: Supervisor, checkpoints: Checkpoints
) -> None:
    await make_caller(checkpoints["tiny-one"], "tiny-thinker", THINKER)
    body = {"model": "tiny-thinker", "messages": QUESTION, "max_tokens": 40, "temperature": 0}
    form = {"type": "json_schema", "json_schema": {"name": "f", "schema": FORECAST}}
    message = (await api.post("/chat/completions", json=body | {"response_format": form})).json()["choices"][
        0
    ]["message"]
    assert message["reasoning"]
    assert not message["reasoning"].startswith("{")


THINKER = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n<think>\n{% endif %}"
)

parts = ["<function_calls>", "</function_calls>", "f(a=1)", "<func", "<think>", "</think>", " hi", "\n"]
texts = st.lists(st.sampled_from(parts), max_size=8)


@given(texts)
def test_calls_in_chunks_and_in_whole_answers_are_the_same(pieces: list[str]) -> None:
    answer = Answer(Checkpoint(name="m"), Wanted(calls=True))
    chunks = [chunk for n, text in enumerate(pieces) for chunk in answer.take(0, Piece((n,), text))]
    chunks += answer.take(0, Finished("stop", Usage(3, len(pieces))))
    choice = answer.whole()["choices"][0]
    message = choice["message"]
    assert joined(chunks, "content") == (message["content"] or "")
    streamed = [c for chunk in chunks for c in chunk["choices"][0]["delta"].get("tool_calls", [])]
    assert [c["function"] for c in streamed] == [c["function"] for c in message.get("tool_calls", [])]
    assert choice["finish_reason"] == ("tool_calls" if streamed else "stop")
