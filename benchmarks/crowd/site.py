"""A site in a process of its own, with one engine, what its web process takes."""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx
import psutil

from benchmarks.gateway_site import MODEL, Site, make_key, write_model
from playground.demo.supervisor import log_tail
from tests.sites import free_port
from training.core.serving.engine_process import EngineConfig, EngineProcess

ENGINE_PYTHON = Path(__file__).resolve().parents[2] / ".venv-engine/bin/python"
ENGINE_START_S = 300.0
CHAT = "/v1/chat/completions"


@dataclass(frozen=True)
class Held:
    """What the web process holds at a moment; `redis` are the connections of every process to Redis."""

    memory_mib: float
    files: int
    threads: int
    redis: int


@dataclass(frozen=True)
class Web:
    """The web process, and what programs need to ask it."""

    address: str
    process: psutil.Process
    key: str = ""

    @property
    def port(self) -> int:
        return int(self.address.rsplit(":", 1)[1])

    def held(self) -> Held:
        memory = self.process.memory_info().rss / 2**20
        return Held(memory, self.process.num_fds(), self.process.num_threads(), redis_connections())

    def cpu_s(self) -> float:
        return float(sum(self.process.cpu_times()[:2]))

    async def page_times(self, count: int = 10) -> list[float]:
        """Milliseconds until a visitor who was never here has the first page."""
        return await asyncio.to_thread(self.asker.ask, "page", count)

    async def answer_times(self, count: int = 10) -> list[float]:
        """Milliseconds until a program has eight tokens of /v1, of a model of 10 million weights."""
        return await asyncio.to_thread(self.asker.ask, "answer", count) if self.key else []

    @cached_property
    def asker(self) -> "Asker":
        return Asker(self.port, self.key)


class Asker:
    """The process that asks for pages and answers, which ends with this one."""

    def __init__(self, port: int, key: str) -> None:
        body = json.dumps(question("%d", 8))
        command = [sys.executable, "-m", "benchmarks.crowd.child", str(port), key, body]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self._process = subprocess.Popen(command, text=True, **pipes)

    def ask(self, what: str, count: int) -> list[float]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{what} {count}\n")
        self._process.stdin.flush()
        times: list[float] = json.loads(self._process.stdout.readline())
        return times


def question(text: str, tokens: int, **more: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": text}]
    return {"model": MODEL, "messages": messages, "max_tokens": tokens, "temperature": 0, **more}


def redis_connections() -> int:
    from django.conf import settings
    from redis import Redis

    with Redis.from_url(settings.REDIS_URL) as client:
        return int(client.info("clients")["connected_clients"]) - 1


@contextmanager
def web_process() -> Iterator[Web]:
    """The web server in a process of its own, as the demo starts it."""
    from playground.demo.programs import web

    port = free_port()
    with (Path(os.environ["HEADWATER_HOME"]) / "web.log").open("wb") as log:
        process = subprocess.Popen(web(port).command, stdout=log, stderr=log)
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            try:
                httpx.get(f"{address}/health", trust_env=False)
                break
            except httpx.HTTPError:
                time.sleep(0.1)
        yield Web(address, psutil.Process(process.pid))
    finally:
        process.terminate()
        process.wait(30)
        print(log_tail(Path(log.name), 20))


@contextmanager
def engine() -> Iterator[str]:
    """vLLM with a model of random weights, as the site starts it; gives an API key that may chat. Nothing
    where the engine's environment is not installed."""
    home = Path(os.environ["HEADWATER_HOME"])
    if not ENGINE_PYTHON.exists():
        print(f"{ENGINE_PYTHON} does not exist: programs are left out.")
        yield ""
        return
    model = write_model(home)
    started = EngineProcess(EngineConfig(0, ENGINE_PYTHON, home / "run", home / "engine.log"))
    started.start(model)
    try:
        deadline = time.monotonic() + ENGINE_START_S
        while not started.is_healthy():
            if started.has_ended() or time.monotonic() > deadline:
                raise SystemExit(f"The engine did not start: {started.last_words()}")
            time.sleep(0.5)
        key = make_key()
        Site(home, model, key, {}, ()).serve(started.address)
        yield key
    finally:
        started.stop()


async def emptied(web: Web, within_s: float = 60.0) -> float:
    """Seconds until nobody is connected to the web process any more."""
    began = time.perf_counter()
    while time.perf_counter() - began < within_s and open_connections(web.process):
        await asyncio.sleep(0.2)
    return time.perf_counter() - began


def open_connections(process: psutil.Process) -> int:
    return sum(each.status == "ESTABLISHED" for each in process.net_connections("tcp"))
