"""/v1/traces finds where text, ids and the caller's own answers come from, in the data of a trained flow."""

import asyncio
import json
import logging
import threading
from typing import Any

import httpx
import pytest

from accounts.models import Scope, User
from accounts.services import create_key
from playground.database import in_database, while_wanted
from playground.models import Message, Role, Thread
from tests.playground.conftest import until
from tracing.core.cancelling import watched
from tracing.services import open_store
from training.lineage import lineage_stores
from training.models import Checkpoint, Flow

Json = dict[str, Any]


@pytest.fixture
def instruct(transactional_db: None, trained_flow: Flow) -> Checkpoint:
    return Checkpoint.objects.get(job__flow=trained_flow, stage="instruct-sft", final=True)


@pytest.fixture
def token_ids(instruct: Checkpoint) -> list[int]:
    """A document that the checkpoint was trained on."""
    return open_store(lineage_stores(instruct)[0]).token_ids(0).tolist()


async def trace(api: httpx.AsyncClient, **body: Any) -> Json:
    response = await api.post("/traces", json=body)
    assert response.status_code == 200, response.text
    return dict(response.json())


async def test_token_ids_lead_to_their_document(
    api: httpx.AsyncClient, instruct: Checkpoint, token_ids: list[int]
) -> None:
    found = await trace(api, model=instruct.name, token_ids=token_ids)
    assert (found["object"], found["model"]) == ("trace", instruct.name)
    assert found["token_ids"] == token_ids
    assert found["spans"]
    span = found["spans"][0]
    assert found["text"][span["start"] : span["end"]] == span["text"]
    assert any(document["seen"]["times"] for document in found["documents"])


async def test_text_may_be_traced_raw(
    api: httpx.AsyncClient, instruct: Checkpoint, token_ids: list[int]
) -> None:
    text = (await trace(api, model=instruct.name, token_ids=token_ids))["text"]
    raw = await trace(api, model=instruct.name, text=text, raw=True)
    assert raw["spans"]
    assert all(span["count"] >= 1 for span in raw["spans"])


async def test_options_are_obeyed(api: httpx.AsyncClient, instruct: Checkpoint, token_ids: list[int]) -> None:
    options = {"min_tokens": 2, "density": 1.0, "max_documents": 1, "stages": ["pretrain"]}
    found = await trace(api, model=instruct.name, token_ids=token_ids, **options)
    assert {document["stage"] for document in found["documents"]} == {"pretrain"}
    assert all(len(span["documents"]) <= 1 for span in found["spans"])


def write_answer(owner: User | None, checkpoint: Checkpoint, token_ids: list[int]) -> Message:
    thread = Thread.objects.create(owner=owner, title="Chat")
    asked = Message.objects.create(thread=thread, position=0, role=Role.USER, raw_text="What is it?")
    return Message.objects.create(
        thread=thread,
        parent=asked,
        position=1,
        role=Role.ASSISTANT,
        token_ids=token_ids,
        checkpoint=checkpoint,
    )


async def test_the_callers_own_answer_is_traced_to_the_model_that_wrote_it(
    api: httpx.AsyncClient, instruct: Checkpoint, token_ids: list[int], ada: User
) -> None:
    message = await in_database(write_answer, ada, instruct, token_ids)
    found = await trace(api, message=str(message.pk))
    assert (found["model"], found["token_ids"]) == (instruct.name, token_ids)


async def test_someone_elses_answer_does_not_exist(
    api: httpx.AsyncClient, instruct: Checkpoint, token_ids: list[int]
) -> None:
    eve = await in_database(User.objects.create_user, "eve", password="another long one")
    for owner in (eve, None):
        message = await in_database(write_answer, owner, instruct, token_ids)
        response = await api.post("/traces", json={"message": str(message.pk)})
        assert response.status_code == 404
        assert response.json()["error"]["code"] == "message_not_found"


BAD: list[Json] = [
    {"text": None},
    {"text": "a", "token_ids": [1]},
    {"text": ""},
    {"text": None, "token_ids": []},
    {"text": None, "token_ids": [-1]},
    {"text": None, "token_ids": [10**6]},
    {"text": None, "token_ids": [2**70]},
    {"text": None, "token_ids": ["1"]},
    {"text": None, "token_ids": [1.0]},
    {"text": None, "token_ids": [1, None]},
    {"text": None, "token_ids": [True]},
    {"text": None, "token_ids": [[1]]},
    # The ids that separate documents, in stores of 2 and 4 bytes a token.
    {"text": None, "token_ids": [2**16 - 1]},
    {"text": None, "token_ids": [2**32 - 1]},
    {"text": "word " * 250_000},
    {"text": "\ud800"},
    {"text": "half \udfff a pair"},
    {"min_tokens": 1.5},
    {"min_tokens": -1},
    {"density": -0.1},
    {"density": "0.5"},
    {"max_documents": 1.5},
    {"stages": ["no-such-stage"]},
    {"stages": [""]},
    {"stages": ["\0"]},
    {"text": None, "token_ids": [1] * 70_000},
    {"text": None, "message": "17"},
    {"text": 5},
    {"min_tokens": 0},
    {"min_tokens": 10**20},
    {"density": 1.5},
    {"density": "high"},
    {"max_documents": -1},
    {"max_documents": 10**9},
    {"stages": "pretrain"},
    {"stages": ["x"] * 17},
    {"raw": 1},
    {"index": "/etc"},
    {"added_since": 5},
    {"store": "no"},
]


async def test_what_cannot_be_traced_is_refused(api: httpx.AsyncClient, instruct: Checkpoint) -> None:
    for change in BAD:
        body = json.dumps({"model": instruct.name, "text": "hello", **change})
        response = await api.post("/traces", content=body)
        assert response.status_code == 400, (change, response.text)
        assert response.json()["error"]["type"] == "invalid_request_error"


async def test_bodies_of_ten_megabytes_are_refused_before_they_are_read(
    api: httpx.AsyncClient, instruct: Checkpoint
) -> None:
    name = instruct.name.encode()
    for subject in (b'"text": "' + b"a" * 10_000_000 + b'"', b'"token_ids": [' + b"1," * 10_000_000 + b"1]"):
        response = await api.post("/traces", content=b'{"model": "' + name + b'", ' + subject + b"}")
        assert response.status_code == 413
        assert response.json()["error"]["code"] == "request_too_large"


async def test_numbers_that_json_does_not_have_are_refused(
    api: httpx.AsyncClient, instruct: Checkpoint
) -> None:
    for number in ("NaN", "Infinity", "-Infinity", "1e999", "0x1", "1_0"):
        body = f'{{"model": "{instruct.name}", "text": "hello", "density": {number}}}'
        assert (await api.post("/traces", content=body)).status_code == 400, number


async def test_null_characters_are_text(api: httpx.AsyncClient, instruct: Checkpoint) -> None:
    assert (await trace(api, model=instruct.name, text="os.path\0join"))["text"] == "os.path\0join"


async def test_the_trace_of_a_client_that_leaves_ends_early(
    api: httpx.AsyncClient, instruct: Checkpoint, token_ids: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    longest = (token_ids * (65_536 // len(token_ids) + 1))[:65_536]
    body = {"model": instruct.name, "token_ids": longest, "density": 1.0, "min_tokens": 1}
    with caplog.at_level(logging.INFO, logger="playground.database"):
        with pytest.raises(httpx.ReadTimeout):
            await api.post("/traces", json=body, timeout=0.15)
        await until(lambda: "traced ended early: its client has gone." in caplog.text)
    assert (await trace(api, model=instruct.name, token_ids=token_ids))["spans"]


async def test_the_page_of_a_reader_who_leaves_stops_its_trace(transactional_db: None) -> None:
    """Whatever a page asks for in `while_wanted`: here what never ends by itself."""

    def endless() -> None:
        for _ in watched(iter(int, 1)):
            ended.clear()

    def traced() -> None:
        begun.set()
        try:
            endless()
        finally:
            ended.set()

    begun, ended = threading.Event(), threading.Event()
    page = asyncio.create_task(while_wanted(traced))
    await until(begun.is_set)
    page.cancel()
    with pytest.raises(asyncio.CancelledError):
        await page
    await until(ended.is_set)


async def test_a_trace_is_kept_for_its_maker_alone(
    api: httpx.AsyncClient, instruct: Checkpoint, token_ids: list[int]
) -> None:
    made = await trace(api, model=instruct.name, token_ids=token_ids)
    again = await api.get(f"/traces/{made['id']}")
    assert again.json() == made
    eve = await in_database(User.objects.create_user, "eve", password="another long one")
    _, key = await in_database(create_key, user=eve, name="eve", scopes=[Scope.TRACE])
    other = {"Authorization": f"Bearer {key}"}
    for verb, path in (("GET", ""), ("POST", "/share"), ("DELETE", "/share")):
        response = await api.request(verb, f"/traces/{made['id']}{path}", headers=other)
        assert response.status_code == 404
        assert response.json()["error"]["code"] == "trace_not_found"
    unkept = await trace(api, model=instruct.name, token_ids=token_ids, store=False)
    assert (await api.get(f"/traces/{unkept['id']}")).status_code == 404


async def test_a_kept_trace_is_shared_by_a_link_until_that_is_revoked(
    api: httpx.AsyncClient, instruct: Checkpoint, token_ids: list[int]
) -> None:
    made = await trace(api, model=instruct.name, token_ids=token_ids)
    address = f"/traces/{made['id']}/share"
    share = (await api.post(address, json={"expires_in_s": 3600})).json()
    assert (share["object"], share["trace"]) == ("trace.share", made["id"])
    assert share["expires_at"] > share["created"]
    assert (await api.post(address)).json()["url"] == share["url"]
    reader = httpx.AsyncClient()
    assert (await reader.get(share["url"])).status_code == 200
    assert (await api.delete(address)).json()["deleted"] is True
    assert (await reader.get(share["url"])).status_code == 404
    assert (await api.delete(address)).json()["deleted"] is False
    await reader.aclose()
    for bad in ({"expires_in_s": 0}, {"expires_in_s": 10**12}, {"expires_in_s": "1"}, {"days": 1}):
        assert (await api.post(address, json=bad)).status_code == 400
    assert (await api.put(address)).status_code == 405


async def test_spans_say_whether_they_were_added_since_an_ancestor(
    api: httpx.AsyncClient, instruct: Checkpoint, token_ids: list[int]
) -> None:
    parent = await in_database(instruct.parents.get)
    found = await trace(api, model=instruct.name, token_ids=token_ids, added_since=parent.name)
    assert {span["added"] for span in found["spans"]} == {False}
    body = {"model": instruct.name, "token_ids": token_ids, "added_since": "nobody"}
    response = await api.post("/traces", json=body)
    assert response.status_code == 400
    assert parent.name in response.json()["error"]["message"]
