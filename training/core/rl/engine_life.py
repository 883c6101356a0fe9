"""The life of an engine beside a learner: a thread that talks to it, weights that it takes, its deaths."""

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx

from training.core.errors import EngineLost, EngineStartError
from training.core.serving.engine_process import EngineProcess

T = TypeVar("T")
START_TIMEOUT_S = 600.0
CONNECT_TIMEOUT_S = 30.0
LOAD_TIMEOUT_S = 600.0
WATCH_S = 5.0
SICK_AFTER = 4
"""So many health checks in a row without an answer (of 10 s each) end the process."""
RESTARTS = 3
"""Starts after deaths without an update in between, after which the job fails."""


@dataclass(frozen=True)
class Weights:
    """The learner's weights after `version` steps, in a directory."""

    folder: Path
    version: int


class EngineLife:
    """An engine that is started anew where it dies; RESTARTS times on end, then EngineLost is raised.

    `life` counts its deaths. `version` are the weights that it has for certain, `newest` those that it may
    have: between the two it is taking them. `lock` is held while it takes weights or is started."""

    def __init__(self, process: EngineProcess, warn: Callable[[str], None]) -> None:
        self.process, self._warn = process, warn
        self.life = self.version = self.newest = self.deaths = 0
        self.lock = asyncio.Lock()
        self.client: httpx.AsyncClient
        self._latest: Weights
        self._closing = False
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="engine", daemon=True)

    # What the learner's thread calls

    def open(self, weights: Weights) -> None:
        """Raises EngineStartError."""
        self._latest = weights
        try:
            self._start(weights.folder)
        except BaseException:
            self.process.stop(grace_s=0)
            raise
        self.client = self._new_client()
        self._thread.start()
        self.spawn(self._watch())

    def close(self) -> None:
        self._closing = True
        self.run(self._end_all())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self.process.stop()

    def take(self, weights: Weights) -> "Future[None]":
        """Have it take weights; done when it has."""
        self._latest = weights
        return self.spawn(self._load(weights))

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run on the engine's thread, and wait."""
        return self.spawn(work).result()

    def spawn(self, work: Coroutine[Any, Any, T]) -> "Future[T]":
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def tell(self, what: Callable[[], object]) -> None:
        """Call on the engine's thread, and go on."""
        self._loop.call_soon_threadsafe(what)

    # On the engine's thread

    async def revive(self, life: int) -> None:
        """Start the engine anew, unless somebody did since that life. Raises EngineLost."""
        async with self.lock:
            if self.life == life:
                await self._begin_again()

    async def _load(self, weights: Weights) -> None:
        async with self.lock:
            self.newest = weights.version
            call = {"method": "reload_weights", "kwargs": {"weights_path": str(weights.folder)}}
            try:
                response = await self.client.post("/collective_rpc", json=call, timeout=LOAD_TIMEOUT_S)
                response.raise_for_status()
            except httpx.HTTPError:
                await self._begin_again()
            else:
                self.version, self.deaths = weights.version, 0

    async def _begin_again(self) -> None:
        """On the weights that were written last. The caller holds the lock."""
        ended, said = self.process.has_ended(), self.process.last_words()
        self.deaths += 1
        if self._closing or self.deaths > RESTARTS:
            raise EngineLost(
                f"the engine {'ended' if ended else 'stopped answering'} {self.deaths} times on end: {said}."
                " What was published is kept; put the engine right, then run on"
            )
        self._warn(
            f"the engine {'ended by itself' if ended else 'does not answer'}; starting it again "
            f"({self.deaths} of {RESTARTS}). {said}"
        )
        weights = self._latest
        try:
            await asyncio.to_thread(self._start, weights.folder)
        except EngineStartError as error:
            raise EngineLost(f"the engine cannot be started again: {error}") from error
        await self.client.aclose()  # not before: others may ask by it, and learn that there is no engine
        self.client = self._new_client()
        self.version = self.newest = weights.version
        self.life += 1

    def _start(self, folder: Path) -> None:
        self.process.stop(grace_s=0)
        self.process.start(folder)
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self.process.is_healthy():
            if self.process.has_ended():
                raise EngineStartError(f"it ended by itself. {self.process.last_words()}")
            if time.monotonic() > deadline:
                raise EngineStartError(f"it was not ready after {START_TIMEOUT_S:.0f} s")
            time.sleep(0.2)

    async def _watch(self) -> None:
        """End a process that hangs, so that whoever waits for it learns."""
        missed = 0
        while not self._closing:
            await asyncio.sleep(WATCH_S)
            if self.lock.locked() or self.process.has_ended():
                missed = 0
                continue
            missed = 0 if await asyncio.to_thread(self.process.is_healthy) else missed + 1
            if missed >= SICK_AFTER:
                async with self.lock:
                    await asyncio.to_thread(self.process.stop, 0)

    async def _end_all(self) -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await self.client.aclose()

    def _new_client(self) -> httpx.AsyncClient:
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=64)
        socket = str(self.process.config.socket)
        transport = httpx.AsyncHTTPTransport(uds=socket, limits=limits, verify=False)
        timeout = httpx.Timeout(CONNECT_TIMEOUT_S, read=None, pool=None)  # an answer may take an hour
        return httpx.AsyncClient(transport=transport, base_url="http://engine", timeout=timeout)
