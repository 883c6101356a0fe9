"""Asks a site for pages and answers: the benchmark starts it, being busy with thousands of streams.

A line in says how many of what, a line out the times in ms.
"""

import json
import sys
import time
from http.client import HTTPConnection


def main() -> None:
    port, key, body = int(sys.argv[1]), sys.argv[2], sys.argv[3]
    for line in sys.stdin:
        what, count = line.split()
        ask = page if what == "page" else answer
        print(json.dumps([ask(port, key, body) for _ in range(int(count))]), flush=True)


def page(port: int, key: str, body: str) -> float:
    """A visitor who was never here."""
    return timed(port, "GET", "/", "", {})


def answer(port: int, key: str, body: str) -> float:
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    return timed(port, "POST", "/v1/chat/completions", body % time.monotonic_ns(), headers)


def timed(port: int, method: str, path: str, body: str, headers: dict[str, str]) -> float:
    began = time.perf_counter()
    connection = HTTPConnection("127.0.0.1", port, timeout=180)
    connection.request(method, path, body, headers)
    response = connection.getresponse()
    words = response.read()
    connection.close()
    if response.status != 200:
        raise SystemExit(f"{path} was answered {response.status}: {words[:300]!r}")
    return 1e3 * (time.perf_counter() - began)


if __name__ == "__main__":
    main()
