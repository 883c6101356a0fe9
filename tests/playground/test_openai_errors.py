"""Whatever is wrong with a request to /v1, the answer is OpenAI's envelope with a fitting status."""

import asyncio
import contextlib
from typing import Any

import httpx
import pytest
from django.test import Client

from accounts.models import Scope, User
from accounts.services import create_key
from playground.core.errors import EngineRefused, EngineUnavailable, PromptError
from playground.database import in_database
from playground.openai.errors import api_error
from tests.playground.tiny_model import CONTEXT_TOKENS
from tracing.core.errors import InputError, StoreDamaged
from training.core.errors import DatasetError
from training.models import Checkpoint

Checkpoints = dict[str, Checkpoint]
ASK = {"model": "tiny-one", "messages": [{"role": "user", "content": "Hi"}]}


def check_envelope(response: httpx.Response, status: int) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert response.headers["x-request-id"].startswith("req_")
    error = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["message"]
    return error


async def test_models_lists_every_checkpoint_the_newest_first(
    api: httpx.AsyncClient, checkpoints: Checkpoints
) -> None:
    listed = (await api.get("/models")).json()
    assert listed["object"] == "list"
    assert [model["id"] for model in listed["data"]] == ["tiny-one", "tiny-two", "wide"]
    one = (await api.get("/models/tiny-one")).json()
    assert one == listed["data"][0]
    assert (one["object"], one["owned_by"], type(one["created"])) == ("model", "headwater", int)


NOT_THERE = [
    ("GET", "/models/no-such", 404, "model_not_found"),
    ("GET", "/models/a/b%00c", 404, "model_not_found"),
    ("POST", "/models", 405, "method_not_allowed"),
    ("GET", "/chat/completions", 405, "method_not_allowed"),
    ("DELETE", "/traces", 405, "method_not_allowed"),
    ("GET", "/", 404, "unknown_url"),
    ("GET", "/models/", 404, "unknown_url"),
    ("GET", "/../v1/nothing", 404, "unknown_url"),
]


async def test_addresses_that_are_not_there(api: httpx.AsyncClient) -> None:
    for method, path, status, code in NOT_THERE:
        assert check_envelope(await api.request(method, path), status)["code"] == code, path


BAD_BODIES = {
    "empty": b"",
    "no JSON": b"{",
    "binary": bytes(range(256)),
    "no object": b"[1]",
    "NaN": b'{"model": "tiny-one", "messages": [{"role": "user", "content": "a"}], "temperature": NaN}',
    "deep": b"[" * 100_000,
    "many digits": b'{"model": "tiny-one", "seed": ' + b"9" * 5000 + b"}",
    "half a character": b'{"model": "tiny-one", "messages": [{"role": "user", "content": "\\ud800"}]}',
}


async def test_bodies_that_cannot_be_read(api: httpx.AsyncClient, checkpoints: Checkpoints) -> None:
    for path in ("/chat/completions", "/traces"):
        for body in BAD_BODIES.values():
            check_envelope(await api.post(path, content=body), 400)


async def test_a_body_that_is_too_large(api: httpx.AsyncClient) -> None:
    assert (
        check_envelope(await api.post("/traces", content=b"x" * 3_000_000), 413)["code"]
        == "request_too_large"
    )


@pytest.mark.parametrize("length", ["Transfer-Encoding: chunked", f"Content-Length: {10**12}"])
async def test_a_body_without_an_end_is_refused_while_it_comes(
    api: httpx.AsyncClient, api_key: str, length: str
) -> None:
    reader, writer = await asyncio.open_connection(api.base_url.host, api.base_url.port)
    head = ["POST /v1/traces HTTP/1.1", "Host: headwater", f"Authorization: Bearer {api_key}", length, "", ""]
    writer.write("\r\n".join(head).encode())
    answer = asyncio.create_task(reader.read(65_536))
    for _ in range(1000 if "chunked" in length else 0):  # 64 MB, had anybody taken them
        writer.write(b"10000\r\n" + b" " * 65_536 + b"\r\n")
        with contextlib.suppress(ConnectionError):
            await writer.drain()
        await asyncio.sleep(0.005)  # the answer is read before a further piece meets the closed connection
        if answer.done() or writer.is_closing():
            break
    assert (await asyncio.wait_for(answer, 10)).startswith(b"HTTP/1.1 413")
    writer.close()


NO_SCHEMA = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": 5}}}
CALL = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
UNANSWERED = {"role": "assistant", "content": None, "tool_calls": [CALL]}
BAD_ARGUMENTS: list[tuple[dict[str, Any], str | None]] = [
    ({"temperature": 2.5}, "temperature"),
    ({"temperature": 1e9}, "temperature"),
    ({"temperature": -1}, "temperature"),
    ({"temperature": "1"}, "temperature"),
    ({"temperature": True}, "temperature"),
    ({"top_p": 0}, "top_p"),
    ({"max_tokens": 0}, "max_tokens"),
    ({"max_tokens": 10**30}, "max_tokens"),
    ({"max_completion_tokens": 1.5}, "max_completion_tokens"),
    ({"seed": 2**64}, "seed"),
    ({"stop": ["a"] * 5}, "stop"),
    ({"stop": ""}, "stop"),
    ({"stop": 3}, "stop.str"),
    ({"stream": "yes"}, "stream"),
    ({"messages": []}, "messages"),
    ({"messages": "Hi"}, "messages"),
    ({"messages": [{"role": "king", "content": "Hi"}]}, "messages.0.role"),
    ({"messages": [{"role": "user", "content": 1}]}, "messages.0.content.str"),
    ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, None),
    ({"model": 5}, "model"),
    ({"model": ""}, "model"),
    ({"chat_template": "{{ 7 * 7 }}"}, "chat_template"),
    ({"n": 0}, "n"),
    ({"n": 17}, "n"),
    ({"tools": [{"type": "function"}]}, "tools.0.function"),
    ({"tools": [{"type": "function", "function": {"name": "a b"}}]}, "tools"),
    ({"tool_choice": "required"}, None),
    ({"functions": [{"name": "f"}]}, None),
    ({"logprobs": 5}, "logprobs"),
    ({"top_logprobs": 2}, None),
    ({"logprobs": True, "top_logprobs": 21}, "top_logprobs"),
    ({"logit_bias": {"x": 1}}, "logit_bias"),
    ({"logit_bias": {"5": 101}}, "logit_bias"),
    ({"response_format": {"type": "yaml"}}, "response_format"),
    ({"response_format": NO_SCHEMA}, "response_format"),
    ({"messages": [{"role": "tool", "content": "1", "tool_call_id": "x"}]}, "messages.0.tool_call_id"),
    ({"messages": [UNANSWERED]}, "messages.0"),
    ({"frequency_penalty": 2.5}, "frequency_penalty"),
    ({"presence_penalty": -3}, "presence_penalty"),
]


async def test_arguments_that_cannot_be_used_are_named(
    api: httpx.AsyncClient, checkpoints: Checkpoints
) -> None:
    for change, param in BAD_ARGUMENTS:
        error = check_envelope(await api.post("/chat/completions", json=ASK | change), 400)
        assert error["type"] == "invalid_request_error", change
        assert param in (None, error["param"]), change


async def test_a_model_that_does_not_exist(api: httpx.AsyncClient, checkpoints: Checkpoints) -> None:
    for path, body in (("/chat/completions", ASK), ("/traces", {"text": "a"})):
        error = check_envelope(await api.post(path, json=body | {"model": "gpt-9"}), 404)
        assert (error["code"], error["param"]) == ("model_not_found", "model")


async def test_a_conversation_longer_than_the_context(
    api: httpx.AsyncClient, checkpoints: Checkpoints
) -> None:
    """A megabyte of it, streamed or not: refused before any engine is asked."""
    content = "hello " * (2**20 // 6)
    assert len(content) > CONTEXT_TOKENS
    for stream in (True, False):
        ask = ASK | {"messages": [{"role": "user", "content": content}], "stream": stream}
        error = check_envelope(await api.post("/chat/completions", json=ask), 400)
        assert error["code"] == "context_length_exceeded"


async def test_without_a_key_nobody_gets_in(web_server: str, checkpoints: Checkpoints) -> None:
    async with httpx.AsyncClient(base_url=f"{web_server}/v1") as stranger:
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic YTpi"}):
            response = await stranger.post("/chat/completions", json=ASK, headers=headers)
            assert check_envelope(response, 401)["code"] == "invalid_api_key"
            assert response.headers["www-authenticate"].startswith("Bearer")
            assert check_envelope(await stranger.get("/models", headers=headers), 401)


@pytest.mark.parametrize(
    ("scope", "allowed"),
    [
        (Scope.CHAT, {"/models", "/chat/completions"}),
        (Scope.TRACE, {"/models", "/traces"}),
        (Scope.TRAIN, {"/models", "/files", "/fine_tuning/jobs"}),
        (Scope.ADMIN, set()),
    ],
)
async def test_a_key_does_what_its_scopes_say(
    web_server: str, ada: User, scope: str, allowed: set[str]
) -> None:
    await in_database(User.objects.filter(pk=ada.pk).update, is_staff=True)
    _, key = await in_database(create_key, user=ada, name="k", scopes=[scope])
    headers = {"Authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(base_url=f"{web_server}/v1", headers=headers) as client:
        read = ("/models", "/files", "/fine_tuning/jobs")
        for path in (*read, "/chat/completions", "/traces"):
            response = await (client.get(path) if path in read else client.post(path, json={}))
            assert (response.status_code != 403) == (path in allowed), (path, response.text)
            if path not in allowed:
                assert check_envelope(response, 403)["type"] == "permission_error"


@pytest.mark.parametrize("scope", [Scope.TRAIN, Scope.ADMIN])
async def test_a_key_does_no_more_than_its_person_may_now(web_server: str, ada: User, scope: str) -> None:
    _, key = await in_database(create_key, user=ada, name="k", scopes=[scope])
    headers = {"Authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(base_url=f"{web_server}/v1", headers=headers) as client:
        assert check_envelope(await client.get("/files"), 403)["type"] == "permission_error"


async def test_a_signed_in_browser_is_let_in_and_needs_its_csrf_token(web_server: str, ada: User) -> None:
    browser = Client()
    await in_database(browser.force_login, ada)
    token = "a" * 32
    cookies = {"sessionid": browser.cookies["sessionid"].value, "csrftoken": token}
    async with httpx.AsyncClient(base_url=f"{web_server}/v1", cookies=cookies) as client:
        assert (await client.get("/models")).status_code == 200
        check_envelope(await client.post("/chat/completions", json=ASK), 403)
        response = await client.post("/chat/completions", json=ASK, headers={"X-CSRFToken": token})
        assert check_envelope(response, 404)["code"] == "model_not_found"


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (EngineUnavailable("none"), 503, "engine_unavailable"),
        (EngineRefused("no"), 502, "engine_failed"),
        (PromptError("no turn"), 400, None),
        (InputError("density"), 400, None),
        (DatasetError("empty"), 400, None),
        (StoreDamaged("block 3"), 503, "trace_unavailable"),
    ],
)
def test_errors_of_the_cores_have_a_status(error: Exception, status: int, code: str | None) -> None:
    known = api_error(error)
    assert known is not None
    assert (known.status, known.code, str(known)) == (status, code, str(error))


def test_a_bug_has_none() -> None:
    assert api_error(KeyError("x")) is None
