"""Requests that are larger than any of ours are refused while they arrive.

Django writes a whole body to disk before a view sees it, and does not limit one that comes without a
Content-Length (in chunks) even when it then reads it into memory.
"""

import json
from typing import Any

from asgiref.typing import ASGI3Application, ASGIReceiveCallable, ASGISendCallable, Scope

REFUSAL = {
    "message": "The request's body is too large.",
    "type": "invalid_request_error",
    "param": None,
    "code": "request_too_large",
}


class TooLarge(Exception):
    """More of a body has come than may come."""


class BodyLimit:
    """Passes requests on to `application`, but for bodies of more than `declared_bytes`, or of more than
    `chunked_bytes` where no Content-Length says how long they are: these are answered with a 413."""

    def __init__(self, application: ASGI3Application, *, declared_bytes: int, chunked_bytes: int) -> None:
        self._application = application
        self._declared_bytes, self._chunked_bytes = declared_bytes, chunked_bytes

    async def __call__(self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        length = dict(scope["headers"]).get(b"content-length", b"")
        limit = self._declared_bytes if length else self._chunked_bytes
        try:
            if length.isdigit() and int(length) > limit:
                raise TooLarge
            await self._application(scope, counted(receive, limit), send)
        except TooLarge:
            await refuse(send)


def counted(receive: ASGIReceiveCallable, limit: int) -> ASGIReceiveCallable:
    """`receive`, raising TooLarge once more than `limit` bytes of the body have come."""
    left = limit

    async def receive_counted() -> Any:
        nonlocal left
        message = await receive()
        if message["type"] == "http.request":
            left -= len(message.get("body", b""))
            if left < 0:
                raise TooLarge
        return message

    return receive_counted


async def refuse(send: Any) -> None:
    """Answer 413 in the form that every other error of /v1 has, and let the connection go."""
    body = json.dumps({"error": REFUSAL}).encode()
    headers = [(b"content-type", b"application/json"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": 413, "headers": headers})
    await send({"type": "http.response.body", "body": body})
