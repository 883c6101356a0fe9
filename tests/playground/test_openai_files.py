"""/v1/files with OpenAI's own client, sync and async, against a live server."""

import http.client
import json
from collections.abc import Iterator
from typing import Any

import httpx
import openai
import pytest
import redis

from accounts.models import AuditEntry, Scope, User
from accounts.services import create_key
from tests.training.datasets.uploads import CHAT, chat, jsonl
from training.datasets.validation import work_on
from training.models import Dataset

pytestmark = pytest.mark.usefixtures("redis_server", "transactional_db")


def client_of(user: User, web_server: str, *scopes: str) -> openai.OpenAI:
    secret = create_key(user=user, name="train", scopes=scopes or [Scope.TRAIN])[1]
    return openai.OpenAI(api_key=secret, base_url=f"{web_server}/v1", max_retries=0)


@pytest.fixture
def ada(ada: User) -> User:
    """As an administrator: nobody else's keys may train."""
    ada.is_staff = True
    ada.save()
    return ada


@pytest.fixture
def client(redis_server: redis.Redis, web_server: str, ada: User) -> Iterator[openai.OpenAI]:
    with client_of(ada, web_server) as client:
        yield client


def test_a_file_is_sent_checked_read_and_deleted(client: openai.OpenAI) -> None:
    sent = client.files.create(file=("../greetings.jsonl", jsonl(CHAT)), purpose="fine-tune")
    assert (sent.object, sent.purpose, sent.status, sent.bytes) == (
        "file",
        "fine-tune",
        "uploaded",
        len(jsonl(CHAT)),
    )
    assert sent.filename == "greetings.jsonl"
    work_on(str(Dataset.objects.get().pk))
    kept = client.files.retrieve(sent.id)
    assert (kept.status, kept.status_details, kept.created_at) == ("processed", None, sent.created_at)
    assert client.files.content(sent.id).read() == jsonl(CHAT)
    assert client.files.delete(sent.id).deleted
    with pytest.raises(openai.NotFoundError):
        client.files.retrieve(sent.id)
    entry = AuditEntry.objects.get(action="delete data set")
    assert (entry.actor_name, entry.object_id) == ("ada", sent.id)
    assert entry.key.startswith("train (")


async def test_the_async_client_does_the_same(web_server: str, api_secret: str) -> None:
    async with openai.AsyncOpenAI(api_key=api_secret, base_url=f"{web_server}/v1", max_retries=0) as client:
        sent = await client.files.create(file=("a.jsonl", jsonl(CHAT)), purpose="fine-tune")
        assert (await client.files.content(sent.id)).content == jsonl(CHAT)
        assert [file.id async for file in client.files.list()] == [sent.id]
        assert (await client.files.delete(sent.id)).deleted


@pytest.fixture
def api_secret(ada: User) -> str:
    return create_key(user=ada, name="train", scopes=[Scope.TRAIN])[1]


def test_files_are_listed_by_pages_newest_first(client: openai.OpenAI) -> None:
    sent = [
        client.files.create(file=(f"{n}.jsonl", jsonl(chat(str(n), "x"))), purpose="fine-tune").id
        for n in range(5)
    ]
    first = client.files.list(limit=2)
    assert [file.id for file in first.data] == [sent[4], sent[3]]
    assert first.has_more
    assert [file.id for file in client.files.list(limit=2)] == sent[::-1]
    assert [file.id for file in client.files.list(limit=2, order="asc")] == sent
    assert [file.id for file in client.files.list(after=sent[1])] == [sent[0]]
    assert client.files.list(purpose="batch").data == []


def test_a_file_with_bad_rows_says_which(client: openai.OpenAI) -> None:
    sent = client.files.create(file=("bad.jsonl", jsonl(CHAT, "{", *["[]"] * 9)), purpose="fine-tune")
    work_on(str(Dataset.objects.get().pk))
    kept = client.files.retrieve(sent.id)
    assert kept.status == "error"
    assert str(kept.status_details).startswith("line 2: ")
    assert str(kept.status_details).endswith("and 5 more")


@pytest.mark.parametrize(
    ("data", "purpose", "param", "words"),
    [
        (b"", "fine-tune", None, "the file is empty"),
        (jsonl(CHAT), "batch", "purpose", "purpose has to be 'fine-tune'"),
    ],
)
def test_a_refused_file_is_explained(
    client: openai.OpenAI, data: bytes, purpose: str, param: str | None, words: str
) -> None:
    with pytest.raises(openai.BadRequestError, match=words) as refused:
        client.files.create(file=("a.jsonl", data), purpose=purpose)  # type: ignore[arg-type]
    assert (refused.value.param, refused.value.type) == (param, "invalid_request_error")
    assert not Dataset.objects.exists()


def test_five_gigabytes_are_refused_before_they_are_sent(web_server: str, api_secret: str) -> None:
    """The length is said, and answered, before any of it comes."""
    connection = http.client.HTTPConnection(web_server.removeprefix("http://"), timeout=30)
    connection.putrequest("POST", "/v1/files")
    connection.putheader("Authorization", f"Bearer {api_secret}")
    connection.putheader("Content-Type", "multipart/form-data; boundary=x")
    connection.putheader("Content-Length", str(5 * 2**30))
    connection.endheaders()
    answer = connection.getresponse()
    assert answer.status == 413
    assert json.loads(answer.read())["error"]["code"] == "request_too_large"
    connection.close()
    assert not Dataset.objects.exists()


@pytest.mark.parametrize(
    "options",
    [
        {"content": b"no form", "headers": {"Content-Type": "multipart/form-data"}},
        {"content": b"--x--", "headers": {"Content-Type": "multipart/form-data; boundary=x"}},
        {"json": {"purpose": "fine-tune"}},
        {"data": {"purpose": "fine-tune", "file": "a text"}},
        {"files": {"file": ("a", b"x")}, "data": {"purpose": "fine-tune", "expires_after[seconds]": "1"}},
    ],
)
def test_malformed_forms_are_bad_requests(web_server: str, api_secret: str, options: dict[str, Any]) -> None:
    headers = {"Authorization": f"Bearer {api_secret}", **options.pop("headers", {})}
    answer = httpx.post(f"{web_server}/v1/files", headers=headers, **options)
    assert answer.status_code == 400, answer.text
    assert json.loads(answer.text)["error"]["message"]


def test_files_are_their_owner_s_and_need_the_scope(client: openai.OpenAI, web_server: str) -> None:
    sent = client.files.create(file=("a.jsonl", jsonl(CHAT)), purpose="fine-tune")
    bob = User.objects.create_user("bob", is_staff=True)
    with client_of(bob, web_server) as other:
        for act in (other.files.retrieve, other.files.content, other.files.delete):
            with pytest.raises(openai.NotFoundError):
                act(sent.id)
        with pytest.raises(openai.NotFoundError):
            other.files.list(after=sent.id)
        assert other.files.list().data == []
    with client_of(bob, web_server, Scope.CHAT, Scope.TRACE) as unscoped:
        for act in (unscoped.files.list, lambda: unscoped.files.create(file=b"x", purpose="fine-tune")):
            with pytest.raises(openai.PermissionDeniedError):
                act()
    assert client.files.retrieve(sent.id).id == sent.id


def test_lists_refuse_what_they_would_ignore(client: openai.OpenAI) -> None:
    for query in ({"limit": 0}, {"limit": "x"}, {"order": "up"}, {"colour": "red"}):
        with pytest.raises(openai.BadRequestError):
            client.files.list(extra_query=query)
