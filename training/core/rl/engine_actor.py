"""An actor that is a vLLM process: it answers many prompts at a time, and takes new weights meanwhile.

Weights go over as files, and are read into the running engine between two of its steps. Answers in the air
go on with the keys and values that they have (Olmo 3's in-flight updates), and each says the oldest and the
newest weights that its tokens may be from. A prompt's cached keys are used only by prompts that were asked
under the same weights.
"""

import asyncio
import math
import threading
import time
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx
from tokenizers import Tokenizer

from training.core.chat import END_OF_TEXT, TURN_END
from training.core.errors import EngineLost, EngineStartError
from training.core.rl.rollouts import Ids, Rollout
from training.core.serving.engine_process import SERVED_NAME, EngineProcess
from training.core.tokenizer import special_id

T = TypeVar("T")
START_TIMEOUT_S = 600.0
CONNECT_TIMEOUT_S = 30.0
LOAD_TIMEOUT_S = 600.0
WATCH_S = 5.0
SICK_AFTER = 4
"""So many health checks in a row without an answer (of 10 s each) end the process."""
RESTARTS = 3
"""Starts after deaths without an update in between, after which the job fails."""


class EngineGone(Exception):
    """The engine broke off. `life` is the one that ended, counted from 0."""

    def __init__(self, life: int) -> None:
        super().__init__(f"the engine's life {life} ended")
        self.life = life


@dataclass(frozen=True)
class Weights:
    """The learner's weights after `version` steps, in a directory."""

    folder: Path
    version: int


@dataclass(frozen=True)
class Asking:
    """How answers are sampled and read: at most `longest` tokens, prompt and answer at most `context`."""

    tokenizer: Tokenizer
    longest: int
    context: int

    @property
    def ends(self) -> list[int]:
        return [special_id(self.tokenizer, token) for token in (END_OF_TEXT, TURN_END)]


class EngineActor:
    """A running engine and a thread that talks to it; a context manager that ends both.

    `write` writes the learner's weights into a directory. The engine is started anew where it dies; RESTARTS
    times on end, then every method raises EngineLost."""

    def __init__(
        self,
        process: EngineProcess,
        asking: Asking,
        *,
        write: Callable[[Path], None],
        folder: Path,
        warn: Callable[[str], None],
    ) -> None:
        self._process, self._asking, self._write, self._warn = process, asking, write, warn
        self._folders = (folder / "weights-0", folder / "weights-1")
        self._latest = Weights(self._folders[0], 0)
        self._life, self._deaths = 0, 0
        self._version = self._newest = 0
        self._loading: Future[None] | None = None
        self._closing = False
        self._loop = asyncio.new_event_loop()
        self._lock = asyncio.Lock()
        self._ends = asking.ends
        self._thread = threading.Thread(target=self._loop.run_forever, name="engine", daemon=True)

    @property
    def name(self) -> str:
        return "vLLM beside the training process"

    def __enter__(self) -> "EngineActor":
        """Start it on the learner's weights. Raises EngineStartError."""
        self._write(self._latest.folder)
        try:
            self._start(self._latest.folder)
        except BaseException:
            self._process.stop(grace_s=0)
            raise
        self._client = self._new_client()
        self._thread.start()
        self.spawn(self._watch())
        return self

    def __exit__(self, *exception: object) -> None:
        self._closing = True
        self.run(self._end_all())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._process.stop()

    # What the learner calls

    def ask(self, prompts: Sequence[Ids], answers: int, seed: int) -> list[list[Rollout]]:
        """All at once, and wait. Prompts whose answers were lost with an engine are asked again."""
        return self.run(self._ask_all(prompts, answers, seed))

    def update(self, version: int, *, wait: bool = True) -> None:
        """Give the engine the learner's weights, now those after `version` steps. Without `wait` it takes
        them while the learner goes on; the update before has been taken when this returns."""
        if version == self._latest.version:
            return
        if self._loading is not None:
            self._loading.result()
        folder = self._folders[self._latest.folder == self._folders[0]]  # the one that is not being read
        self._write(folder)
        self._latest = Weights(folder, version)
        self._loading = self.spawn(self._load(self._latest))
        if wait:
            self._loading.result()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run on the engine's thread, and wait."""
        return self.spawn(work).result()

    def spawn(self, work: Coroutine[Any, Any, T]) -> "Future[T]":
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def tell(self, what: Callable[[], object]) -> None:
        """Call on the engine's thread, and go on."""
        self._loop.call_soon_threadsafe(what)

    # On the engine's thread

    async def answer(self, prompt: Ids, answers: int, seed: int | None = None) -> list[Rollout]:
        """Raises EngineGone where the engine died over it, after which `revive` brings it back."""
        async with self._lock:  # not while it takes weights or is started anew
            life, first, body = self._life, self._version, self._body(prompt, answers, seed)
        try:
            response = await self._client.post("/v1/completions", json=body)
        except httpx.HTTPError as error:
            raise EngineGone(life) from error
        if response.status_code >= httpx.codes.INTERNAL_SERVER_ERROR:
            raise EngineGone(life)
        if response.is_error:
            raise EngineLost(f"the engine refuses a prompt: {response.text[:300]}")
        choices = sorted(response.json()["choices"], key=lambda choice: int(choice["index"]))
        return [self._rollout(prompt, choice, first) for choice in choices]

    async def revive(self, life: int) -> None:
        """Start the engine anew, unless somebody did since that life. Raises EngineLost."""
        async with self._lock:
            if self._life == life:
                await self._begin_again()

    async def _ask_all(self, prompts: Sequence[Ids], answers: int, seed: int) -> list[list[Rollout]]:
        return list(
            await asyncio.gather(
                *(self._ask_until(prompt, answers, seed + place) for place, prompt in enumerate(prompts))
            )
        )

    async def _ask_until(self, prompt: Ids, answers: int, seed: int) -> list[Rollout]:
        while True:
            try:
                return await self.answer(prompt, answers, seed % 2**31)
            except EngineGone as gone:
                await self.revive(gone.life)

    def _body(self, prompt: Ids, answers: int, seed: int | None) -> dict[str, Any]:
        body = {
            "model": SERVED_NAME,
            "prompt": list(prompt),
            "n": answers,
            "max_tokens": min(self._asking.longest, self._asking.context - len(prompt)),
            "temperature": 1.0,
            "top_p": 1.0,
            "logprobs": 0,  # of the sampled token alone
            "return_token_ids": True,
            "stop_token_ids": self._ends,
            "ignore_eos": True,
            "cache_salt": f"{self._life}-{self._version}",
        }
        return body | ({} if seed is None else {"seed": seed})

    def _rollout(self, prompt: Ids, choice: dict[str, Any], first: int) -> Rollout:
        ids, logs = tuple(choice["token_ids"]), tuple(choice["logprobs"]["token_logprobs"])
        if len(ids) != len(logs) or not all(map(math.isfinite, logs)):
            raise EngineLost(f"the engine sent {len(ids)} tokens with the log-probabilities {logs[:5]}...")
        spoken = ids[:-1] if ids and ids[-1] in self._ends else ids
        text = self._asking.tokenizer.decode(list(spoken), skip_special_tokens=False)
        return Rollout(tuple(prompt), ids, logs, text, first, self._newest)

    async def _load(self, weights: Weights) -> None:
        async with self._lock:
            self._newest = weights.version
            call = {"method": "reload_weights", "kwargs": {"weights_path": str(weights.folder)}}
            try:
                response = await self._client.post("/collective_rpc", json=call, timeout=LOAD_TIMEOUT_S)
                response.raise_for_status()
            except httpx.HTTPError:
                await self._begin_again()
            else:
                self._version, self._deaths = weights.version, 0

    async def _begin_again(self) -> None:
        """On the weights that were written last. The caller holds the lock."""
        ended, said = self._process.has_ended(), self._process.last_words()
        self._deaths += 1
        if self._closing or self._deaths > RESTARTS:
            raise EngineLost(
                f"the engine {'ended' if ended else 'stopped answering'} {self._deaths} times on end: {said}."
                " What was published is kept; put the engine right, then run on"
            )
        self._warn(
            f"the engine {'ended by itself' if ended else 'does not answer'}; starting it again "
            f"({self._deaths} of {RESTARTS}). {said}"
        )
        await self._client.aclose()
        weights = self._latest
        try:
            await asyncio.to_thread(self._start, weights.folder)
        except EngineStartError as error:
            raise EngineLost(f"the engine cannot be started again: {error}") from error
        self._client = self._new_client()
        self._version = self._newest = weights.version
        self._life += 1

    def _start(self, folder: Path) -> None:
        self._process.stop(grace_s=0)
        self._process.start(folder)
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._process.is_healthy():
            if self._process.has_ended():
                raise EngineStartError(f"it ended by itself. {self._process.last_words()}")
            if time.monotonic() > deadline:
                raise EngineStartError(f"it was not ready after {START_TIMEOUT_S:.0f} s")
            time.sleep(0.2)

    async def _watch(self) -> None:
        """End a process that hangs, so that whoever waits for it learns."""
        missed = 0
        while not self._closing:
            await asyncio.sleep(WATCH_S)
            if self._lock.locked() or self._process.has_ended():
                missed = 0
                continue
            missed = 0 if await asyncio.to_thread(self._process.is_healthy) else missed + 1
            if missed >= SICK_AFTER:
                async with self._lock:
                    await asyncio.to_thread(self._process.stop, 0)

    async def _end_all(self) -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await self._client.aclose()

    def _new_client(self) -> httpx.AsyncClient:
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=64)
        transport = httpx.AsyncHTTPTransport(
            uds=str(self._process.config.socket), limits=limits, verify=False
        )
        timeout = httpx.Timeout(CONNECT_TIMEOUT_S, read=None, pool=None)  # an answer may take an hour
        return httpx.AsyncClient(transport=transport, base_url="http://engine", timeout=timeout)
