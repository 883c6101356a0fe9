"""/v1/completions, log-probabilities and several choices, over a real engine behind a real web server."""

import math
from typing import Any

import httpx
import pytest

from playground.supervisor import Supervisor
from tests.playground.test_openai_chat import chunks_of
from training.models import Checkpoint

Json = dict[str, Any]
Checkpoints = dict[str, Checkpoint]
PROMPT = "def wrap(text, width=70):"
ASK = {"model": "tiny-one", "prompt": PROMPT, "temperature": 0, "max_tokens": 8}


async def complete(api: httpx.AsyncClient, **ask: Any) -> Json:
    response = await api.post("/completions", json=ASK | ask)
    assert response.status_code == 200, response.text
    return response.json()


async def test_a_text_is_continued(api: httpx.AsyncClient, engines: Supervisor) -> None:
    whole = await complete(api)
    assert (whole["object"], whole["id"][:5], whole["model"]) == ("text_completion", "cmpl-", "tiny-one")
    [choice] = whole["choices"]
    assert choice["text"]
    assert (choice["finish_reason"], choice["logprobs"], choice["index"]) == ("length", None, 0)
    assert whole["usage"]["completion_tokens"] == 8
    options = {"stream": True, "stream_options": {"include_usage": True}}
    chunks = chunks_of((await api.post("/completions", json=ASK | options)).text)
    assert "".join(c["text"] for chunk in chunks for c in chunk["choices"]) == choice["text"]
    assert chunks[-1]["usage"] == whole["usage"]


async def test_token_ids_are_a_prompt_too(api: httpx.AsyncClient, engines: Supervisor) -> None:
    echoed = await complete(api, echo=True, return_token_ids=True)
    ids = echoed["choices"][0]["token_ids"][:-8]
    again = await complete(api, prompt=ids, echo=True)
    assert again["choices"][0]["text"] == echoed["choices"][0]["text"]
    assert echoed["choices"][0]["text"].startswith(PROMPT)


async def test_echoed_prompts_have_log_probabilities(api: httpx.AsyncClient, engines: Supervisor) -> None:
    ask = {"echo": True, "logprobs": 3}
    [choice] = (await complete(api, **ask))["choices"]
    rows = choice["logprobs"]
    prompt = rows["tokens"][:-8]
    assert "".join(prompt) == PROMPT
    assert rows["text_offset"][: len(prompt)] == [sum(map(len, prompt[:n])) for n in range(len(prompt))]
    assert rows["text_offset"][len(prompt)] == len(PROMPT)
    assert (rows["token_logprobs"][0], rows["top_logprobs"][0]) == (None, None)
    for logprob, top in list(zip(rows["token_logprobs"], rows["top_logprobs"], strict=True))[1:]:
        assert any(each == pytest.approx(logprob) for each in top.values())
        assert sum(map(math.exp, top.values())) <= 1.001
    response = await api.post("/completions", json=ASK | ask | {"stream": True})
    choices = [c for chunk in chunks_of(response.text) for c in chunk["choices"]]
    parts = [c["logprobs"] for c in choices if c["logprobs"]]
    for name in ("tokens", "text_offset"):
        assert [row for part in parts for row in part[name]] == rows[name]


async def test_a_prompt_is_scored_alone(api: httpx.AsyncClient, engines: Supervisor) -> None:
    """As evaluation harnesses ask: what the model itself writes is not of interest."""
    alone = await complete(api, echo=True, logprobs=1, max_tokens=0)
    with_more = await complete(api, echo=True, logprobs=1)
    [choice], [longer] = alone["choices"], with_more["choices"]
    assert choice["text"] == PROMPT
    scores = choice["logprobs"]["token_logprobs"]
    assert scores[1:] == pytest.approx(longer["logprobs"]["token_logprobs"][1 : len(scores)], abs=1e-3)
    assert alone["usage"]["completion_tokens"] == 0
    assert (await complete(api, echo=True, max_tokens=0))["choices"][0]["text"] == PROMPT


async def test_many_prompts_have_n_answers_each(api: httpx.AsyncClient, engines: Supervisor) -> None:
    ask = {"prompt": [PROMPT, "import os", PROMPT], "n": 2, "temperature": 1, "seed": 4}
    whole = await complete(api, **ask)
    assert [choice["index"] for choice in whole["choices"]] == list(range(6))
    texts = [choice["text"] for choice in whole["choices"]]
    assert texts[0] != texts[1]
    assert texts[:2] == texts[4:]
    assert whole["usage"]["completion_tokens"] == 48
    alone = await complete(api, **ask | {"prompt": "import os", "n": 1})
    assert alone["choices"][0]["text"] == texts[2]


async def test_a_stop_text_ends_a_completion(api: httpx.AsyncClient, engines: Supervisor) -> None:
    text = (await complete(api))["choices"][0]["text"]
    stop = text[3:5]
    [choice] = (await complete(api, stop=stop))["choices"]
    assert (choice["text"], choice["finish_reason"]) == (text[: text.index(stop)], "stop")


async def test_biases_and_penalties_reach_the_engine(api: httpx.AsyncClient, engines: Supervisor) -> None:
    plain = await complete(api, return_token_ids=True)
    first = plain["choices"][0]["token_ids"][0]
    for change in ({"logit_bias": {str(first): -100}}, {"logit_bias": {"300": 100}}):
        other = await complete(api, return_token_ids=True, **change)
        assert other["choices"][0]["token_ids"][0] != first
    assert other["choices"][0]["token_ids"] == [300] * 8
    liked = {"return_token_ids": True, "logit_bias": {"300": 3.0}, "max_tokens": 32}
    free, held = [
        (await complete(api, **liked, **more))["choices"] for more in ({}, {"presence_penalty": 2.0})
    ]
    assert free != held


async def test_chats_have_log_probabilities_and_choices(api: httpx.AsyncClient, engines: Supervisor) -> None:
    ask = {"model": "tiny-one", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 6}
    ask |= {"logprobs": True, "top_logprobs": 2, "n": 3, "seed": 1}
    whole = (await api.post("/chat/completions", json=ask)).json()
    assert [choice["index"] for choice in whole["choices"]] == [0, 1, 2]
    assert len({choice["message"]["content"] for choice in whole["choices"]}) == 3
    for choice in whole["choices"]:
        rows = choice["logprobs"]["content"]
        assert len(rows) == 6
        assert (
            bytes(b for row in rows for b in row["bytes"]).decode(errors="replace")
            == choice["message"]["content"]
        )
        assert all(len(row["top_logprobs"]) == 2 for row in rows)
        assert all(row["logprob"] <= row["top_logprobs"][0]["logprob"] for row in rows)
    assert whole["usage"]["completion_tokens"] == 18
    chunks = chunks_of((await api.post("/chat/completions", json=ask | {"stream": True})).text)
    for index in range(3):
        mine = [c for chunk in chunks for c in chunk["choices"] if c["index"] == index]
        text = "".join(c["delta"].get("content", "") for c in mine)
        assert text == whole["choices"][index]["message"]["content"]
        assert sum(len(c["logprobs"]["content"]) for c in mine if c["logprobs"]) == 6
        assert mine[-1]["finish_reason"] == "length"


BAD = [
    ({"prompt": 5}, "prompt"),
    ({"prompt": []}, "prompt"),
    ({"prompt": [[]]}, "prompt"),
    ({"prompt": [10**9]}, None),
    ({"prompt": [-1]}, None),
    ({"prompt": ["a"] * 65}, "prompt"),
    ({"prompt": ["a"] * 64, "n": 2}, None),
    ({"max_tokens": 0}, None),
    ({"max_tokens": -1}, "max_tokens"),
    ({"suffix": "end"}, None),
    ({"best_of": 3}, None),
    ({"logprobs": 21}, "logprobs"),
    ({"echo": "yes"}, "echo"),
    ({"messages": []}, "messages"),
    ({"model": "gpt-9"}, "model"),
]


async def test_completions_that_cannot_be_made_say_why(
    api: httpx.AsyncClient, checkpoints: Checkpoints
) -> None:
    for change, param in BAD:
        response = await api.post("/completions", json=ASK | change)
        error = response.json()["error"]
        assert response.status_code in (400, 404), (change, response.text)
        assert param is None or (error["param"] or "").startswith(param), (change, error)
    long = await api.post("/completions", json=ASK | {"prompt": "word " * 5000})
    assert long.json()["error"]["code"] == "context_length_exceeded"


async def test_embeddings_are_refused_clearly(api: httpx.AsyncClient) -> None:
    response = await api.post("/embeddings", json={"model": "tiny-one", "input": "a"})
    assert response.status_code == 400
    assert response.json()["error"]["code"] == "not_supported"
