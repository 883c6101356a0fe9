"""What a request is told that comes while as many connections are open as this process may have."""

import json
from typing import Any

from asgiref.typing import ASGIReceiveCallable, ASGISendCallable, Scope

RETRY_AFTER_S = 10
WORDS = "As many connections are open here as this server takes. Try again in a moment."


def body_for(path: str) -> tuple[bytes, bytes]:
    """The words in the form that whoever asks for such a path can read, and its content type."""
    if "/v1/" in path:
        error = {"message": WORDS, "type": "server_error", "param": None, "code": "too_many_connections"}
        return json.dumps({"error": error}).encode(), b"application/json"
    if "/api/" in path:
        return json.dumps({"detail": WORDS}).encode(), b"application/json"
    return WORDS.encode(), b"text/plain; charset=utf-8"


async def crowded(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
    """503 for every request, and when to come again."""
    assert scope["type"] == "http"
    body, content_type = body_for(scope["path"])
    headers = [
        (b"content-type", content_type),
        (b"content-length", b"%d" % len(body)),
        (b"retry-after", b"%d" % RETRY_AFTER_S),
        (b"cache-control", b"no-store"),
        (b"connection", b"close"),
    ]
    start: Any = {"type": "http.response.start", "status": 503, "headers": headers}
    end: Any = {"type": "http.response.body", "body": body, "more_body": False}
    await send(start)
    await send(end)
