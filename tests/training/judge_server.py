"""A small OpenAI-compatible server on loopback, in the place of a judge."""

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from training.core.verifiers.judge import Endpoint


class Judge(ThreadingHTTPServer):
    """An OpenAI-compatible server that says what it is told to, and keeps what it was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.reply: bytes = b""
        self.status, self.delay_s, self.location = 200, 0.0, ""
        self.asked: list[tuple[str, dict[str, Any], str | None]] = []

    def say(self, content: object) -> None:
        self.reply = json.dumps(
            {"choices": [{"message": {"role": "assistant", "content": content}}]}
        ).encode()

    @property
    def endpoint(self) -> Endpoint:
        return Endpoint(f"http://127.0.0.1:{self.server_port}/v1", "grader", "a-key", timeout_s=1.0)


class Handler(BaseHTTPRequestHandler):
    server: Judge

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append((self.path, body, self.headers["Authorization"]))
        time.sleep(self.server.delay_s)
        self.send_response(self.server.status)
        if self.server.location:
            self.send_header("Location", self.server.location)
        self.end_headers()
        self.wfile.write(self.server.reply)

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def judge() -> Iterator[Judge]:
    server = Judge()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()
