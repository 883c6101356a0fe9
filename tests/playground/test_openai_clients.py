"""The clients that people use work with /v1 as they are: each against a live server and a real engine."""

import asyncio
import json
import os
import subprocess
from pathlib import Path
from typing import Literal

import openai
import pytest
from openai.lib.streaming.chat import ContentDeltaEvent
from pydantic import BaseModel

from playground.supervisor import Supervisor
from tests.playground.tool_models import CITIES, TOOLS, make_caller
from training.models import Checkpoint

ROOT = Path(__file__).resolve().parents[2]
PYTHON = ROOT / ".venv-clients" / "bin" / "python"
SCRIPTS = Path(__file__).parent / "clients"
HELLO = [{"role": "user", "content": "Hello"}]
needs_clients = pytest.mark.skipif(not PYTHON.exists(), reason="make clients installs them")


class Forecast(BaseModel):
    city: Literal["Oslo", "Rome"]
    warm: bool


@pytest.fixture
async def model(engines: Supervisor, checkpoints: dict[str, Checkpoint]) -> str:
    return (await make_caller(checkpoints["tiny-one"])).name


@pytest.fixture
def base_url(web_server: str) -> str:
    return f"{web_server}/v1"


async def run(command: list[str], home: Path, **environ: str) -> str:
    """What a client's program prints, in an environment that has nothing of ours."""
    environ |= {"HOME": str(home), "PATH": os.environ["PATH"], "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    finished = await asyncio.to_thread(
        subprocess.run, command, env=environ, capture_output=True, text=True, timeout=300, check=False
    )
    assert finished.returncode == 0, finished.stderr[-4000:]
    return finished.stdout


@needs_clients
@pytest.mark.parametrize("client", ["langchain", "litellm", "openai_2"])
async def test_a_client_is_served(
    client: str, base_url: str, api_key: str, model: str, tmp_path: Path
) -> None:
    command = [str(PYTHON), str(SCRIPTS / f"with_{client}.py"), base_url, api_key, model]
    assert "ok" in await run(command, tmp_path)


@needs_clients
async def test_llm_talks_on_the_command_line(base_url: str, api_key: str, model: str, tmp_path: Path) -> None:
    """Simon Willison's `llm`, told of the model as its documentation says."""
    known = {"model_id": "here", "model_name": model, "api_base": base_url, "api_key_name": "headwater"}
    (tmp_path / "extra-openai-models.yaml").write_text(json.dumps([known]))
    (tmp_path / "keys.json").write_text(json.dumps({"headwater": api_key}))
    environ = {"LLM_USER_PATH": str(tmp_path)}
    llm = [str(PYTHON.with_name("llm")), "-m", "here", "-o", "max_tokens", "8", "-o", "temperature", "0"]
    whole = await run([*llm, "--no-stream", "Hello"], tmp_path, **environ)
    streamed = await run([*llm, "Hello"], tmp_path, **environ)
    assert whole.strip()
    assert streamed == whole
    assert (await run([*llm, "--continue", "And more"], tmp_path, **environ)).strip()


async def test_curl_is_served(base_url: str, api_key: str, model: str, tmp_path: Path) -> None:
    body = json.dumps({"model": model, "messages": HELLO, "max_tokens": 8, "stream": True})
    command = ["curl", "-sSN", f"{base_url}/chat/completions", "-H", f"Authorization: Bearer {api_key}"]
    answer = await run([*command, "-H", "Content-Type: application/json", "-d", body], tmp_path)
    assert answer.endswith("data: [DONE]\n\n")
    assert json.loads(answer.split("\n\n")[1].removeprefix("data: "))["object"] == "chat.completion.chunk"


async def test_openai_answers_streams_and_parses(base_url: str, api_key: str, model: str) -> None:
    async with openai.AsyncOpenAI(base_url=base_url, api_key=api_key, max_retries=0) as client:
        chat = client.chat.completions
        ask = {"model": model, "messages": HELLO, "temperature": 0}
        whole = await chat.create(**ask, max_tokens=8, n=2, logprobs=True, top_logprobs=1)
        assert whole._request_id.startswith("req_")
        assert len(whole.choices[0].logprobs.content) == 8
        async with chat.stream(**ask, max_tokens=8) as stream:
            text = "".join([event.delta async for event in stream if isinstance(event, ContentDeltaEvent)])
        assert text == whole.choices[0].message.content
        parsed = await chat.parse(**ask, max_tokens=300, response_format=Forecast)
        assert parsed.choices[0].message.parsed.city in CITIES
        with pytest.raises(openai.NotFoundError, match="does not exist"):
            await chat.create(**ask | {"model": "gpt-9"})


async def test_openai_calls_functions(base_url: str, api_key: str, model: str) -> None:
    async with openai.AsyncOpenAI(base_url=base_url, api_key=api_key, max_retries=0) as client:
        ask = {"model": model, "messages": HELLO, "tools": TOOLS, "temperature": 0, "max_tokens": 600}
        asked = (await client.chat.completions.create(**ask, tool_choice="required")).choices[0]
        assert asked.finish_reason == "tool_calls"
        results = [
            {"role": "tool", "tool_call_id": call.id, "content": "12 degrees"}
            for call in asked.message.tool_calls
        ]
        further = ask | {"messages": [*HELLO, asked.message, *results], "max_tokens": 8}
        assert (await client.chat.completions.create(**further)).choices[0].message.content
        async with client.chat.completions.stream(**ask, tool_choice="required") as stream:
            final = await stream.get_final_completion()
        names = [call.function.name for call in final.choices[0].message.tool_calls]
        assert names == [call.function.name for call in asked.message.tool_calls]


async def test_openai_without_asyncio(base_url: str, api_key: str, model: str) -> None:
    def talk() -> tuple[str, str]:
        with openai.OpenAI(base_url=base_url, api_key=api_key, max_retries=0) as client:
            assert model in [each.id for each in client.models.list()]
            assert client.models.retrieve(model).id == model
            ask = {"model": model, "messages": HELLO, "temperature": 0, "max_tokens": 8}
            options = {"stream": True, "stream_options": {"include_usage": True}}
            chunks = list(client.chat.completions.create(**ask, **options))
            assert chunks[-1].usage.completion_tokens == 8
            text = "".join(c.delta.content or "" for chunk in chunks for c in chunk.choices)
            texts = client.completions.create(model=model, prompt=["a", "b"], max_tokens=4, stream=True)
            assert {choice.index for chunk in texts for choice in chunk.choices} == {0, 1}
            with pytest.raises(openai.BadRequestError, match="not supported"):
                client.embeddings.create(model=model, input="a")
            return text, client.chat.completions.create(**ask).choices[0].message.content

    streamed, whole = await asyncio.to_thread(talk)
    assert streamed == whole
