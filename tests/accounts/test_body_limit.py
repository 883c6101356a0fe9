"""Bodies that are larger than any request of ours never reach the site."""

import asyncio
import json
from typing import Any

import pytest

from accounts.body_limit import BodyLimit

Messages = list[dict[str, Any]]


def ask(chunks: list[bytes], *, length: bytes | None = None) -> tuple[list[bytes], Messages]:
    """(the body as the site read it, what was sent back) of a request in these chunks."""
    read: list[bytes] = []
    sent: Messages = []
    waiting = [{"type": "http.request", "body": body, "more_body": True} for body in chunks]
    waiting.append({"type": "http.request", "body": b"", "more_body": False})

    async def site(scope: Any, receive: Any, send: Any) -> None:
        while (message := await receive())["more_body"]:
            read.append(message["body"])
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"read"})

    async def receive() -> Any:
        return waiting.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [] if length is None else [(b"content-length", length)]
    limit = BodyLimit(site, declared_bytes=100, chunked_bytes=10)
    asyncio.run(limit({"type": "http", "headers": headers}, receive, send))  # type: ignore[typeddict-item]
    return read, sent


@pytest.mark.parametrize(
    ("chunks", "length"),
    [([b"a" * 10], None), ([b"a" * 5] * 2, None), ([], None), ([b"a" * 60, b"a" * 40], b"100"), ([], b"x")],
)
def test_a_body_up_to_the_limit_is_passed_on(chunks: list[bytes], length: bytes | None) -> None:
    read, sent = ask(chunks, length=length)
    assert read == chunks
    assert sent[0]["status"] == 200


@pytest.mark.parametrize(
    ("chunks", "length", "read"),
    [
        ([b"a" * 11], None, 0),
        ([b"a" * 6, b"a" * 6], None, 1),
        ([b"a"], b"101", 0),
        ([b"a" * 60, b"a" * 60], b"100", 1),
    ],
)
def test_more_is_refused_while_it_comes(chunks: list[bytes], length: bytes | None, read: int) -> None:
    found, sent = ask(chunks, length=length)
    assert len(found) == read
    assert sent[0]["status"] == 413
    assert json.loads(sent[1]["body"])["error"]["code"] == "request_too_large"
