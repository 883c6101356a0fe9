"""A real engine process over tiny checkpoints, and the site served by a real web server."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import httpx
import pytest
import uvicorn
from django.conf import settings
from django.db import connection

from accounts.models import Scope, User
from accounts.services import create_key
from playground.engines import ADAPTER_RANK, want
from playground.models import Engine, EngineState
from playground.supervisor import TICK_S, Supervisor
from tests.playground.tiny_model import digest, write_checkpoint
from training.core.serving.engine_process import EngineConfig
from training.models import Checkpoint

NAMES = {"tiny-one": (1, 128), "tiny-two": (2, 128), "wide": (3, 256)}
"""Checkpoints: their seeds and widths. The first two fit one engine process, the third does not."""


@pytest.fixture(scope="session")
def checkpoint_directories(home: Path) -> dict[str, Path]:
    directories = {name: home / "checkpoints" / name for name in NAMES}
    for name, (seed, hidden) in NAMES.items():
        write_checkpoint(directories[name], seed=seed, hidden=hidden)
    return directories


@pytest.fixture
def checkpoints(checkpoint_directories: dict[str, Path], transactional_db: None) -> dict[str, Checkpoint]:
    """Rows for the directories; the newest is tiny-one, which engines therefore load by themselves."""
    return {name: register(name, path) for name, path in reversed(checkpoint_directories.items())}


def register(name: str, path: Path) -> Checkpoint:
    return Checkpoint.objects.create(
        name=name,
        stage="think-sft",
        step=10,
        steps=20,
        digest=digest(path / "model.safetensors"),
        tokenizer=digest(path / "tokenizer.json"),
        chat="chatml",
    )


class PausedSupervisor:
    """A supervisor that lives for the whole test run, and works only during the tests that ask for it.

    So that its engine process is started once, while other tests have the database to themselves.
    """

    def __init__(self) -> None:
        self.config = EngineConfig(
            slot=0,
            python=settings.ENGINE_PYTHON,
            run_directory=settings.EMBEDDED_REDIS_SOCKET.parent,
            log=settings.HOME / "logs" / "engine-0.log",
            adapter_rank=ADAPTER_RANK,
        )
        self.supervisor: Supervisor | None = None
        self.working, self.ended = threading.Event(), threading.Event()
        self.resting = threading.Event()
        self.thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        while not self.ended.is_set():
            if self.working.is_set():
                self.resting.clear()
                assert self.supervisor is not None
                self.supervisor._tick_safely()
                connection.close()
            else:
                self.resting.set()
            time.sleep(TICK_S / 4)

    def begin(self) -> None:
        if self.supervisor is None:
            self.supervisor = Supervisor([self.config])
            self.thread.start()
        self.supervisor._slow_tick()
        self.working.set()

    def pause(self) -> None:
        self.working.clear()
        self.resting.clear()
        assert self.resting.wait(60)

    def end(self) -> None:
        self.ended.set()
        if self.supervisor is not None:
            self.thread.join()
            for slot in self.supervisor.slots.values():
                slot.process.stop()


@pytest.fixture(scope="session")
def paused_supervisor(home: Path) -> Iterator[PausedSupervisor]:
    supervisor = PausedSupervisor()
    yield supervisor
    supervisor.end()


@pytest.fixture
def engines(paused_supervisor: PausedSupervisor, checkpoints: dict[str, Checkpoint]) -> Iterator[Supervisor]:
    """The supervisor at work; its engine holds tiny-one."""
    paused_supervisor.begin()
    assert paused_supervisor.supervisor is not None
    want(checkpoints["tiny-one"])
    wait_until_ready(checkpoints["tiny-one"])
    yield paused_supervisor.supervisor
    paused_supervisor.pause()


def wait_until_ready(checkpoint: Checkpoint) -> Engine:
    ready = Engine.objects.filter(checkpoint=checkpoint, state=EngineState.READY)
    for _ in range(1200):
        if engine := ready.first():
            return engine
        time.sleep(0.1)
    states = list(Engine.objects.values_list("state", "error"))
    raise AssertionError(f"No engine became ready for {checkpoint}: {states}")


@pytest.fixture
def ada(transactional_db: None) -> User:
    return User.objects.create_user("ada", password="a long password")


@pytest.fixture
def api_key(ada: User) -> str:
    """A key that may chat and trace, as it is written in a program."""
    return create_key(user=ada, name="test", scopes=[Scope.CHAT, Scope.TRACE])[1]


@pytest.fixture(scope="session")
def web_server(home: Path) -> Iterator[str]:
    """The site's address, served by uvicorn in a thread."""
    config = uvicorn.Config("config.asgi:application", port=0, log_level="warning", lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join()


@pytest.fixture
async def api(web_server: str, api_key: str) -> AsyncIterator[httpx.AsyncClient]:
    """A program's client of /v1."""
    headers = {"Authorization": f"Bearer {api_key}"}
    async with httpx.AsyncClient(base_url=f"{web_server}/v1", headers=headers, timeout=60) as client:
        yield client


def running_answers(engine: Engine) -> int:
    """How many requests the engine is at work on, by its own count."""
    return metric(engine, "vllm:num_requests_running")


def generated_tokens(engine: Engine) -> int:
    """How many tokens the engine has sampled so far."""
    return metric(engine, "vllm:generation_tokens_total")


def metric(engine: Engine, name: str) -> int:
    transport = httpx.HTTPTransport(uds=engine.address.removeprefix("unix://"), verify=False)
    with httpx.Client(transport=transport, base_url="http://engine") as client:
        lines = client.get("/metrics").text.splitlines()
    return sum(int(float(line.split()[-1])) for line in lines if line.startswith(name))


async def until(condition: Callable[[], bool], timeout_s: float = 10.0) -> None:
    """Returns when the condition holds; fails after `timeout_s`."""
    for _ in range(round(timeout_s / 0.05)):
        if await asyncio.to_thread(condition):
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"not within {timeout_s} s: {condition}")
