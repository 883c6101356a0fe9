"""An actor that is a vLLM process: it answers many prompts at a time, and takes new weights meanwhile.

Weights go over as files, and are read into the running engine between two of its steps. Answers in the air
go on with the keys and values that they have (Olmo 3's in-flight updates), and each says the oldest and the
newest weights that its tokens may be from. A prompt's cached keys are used only by prompts that were asked
under the same weights.
"""

import asyncio
import math
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from tokenizers import Tokenizer

from training.core.chat import END_OF_TEXT, TURN_END
from training.core.errors import EngineLost
from training.core.rl.engine_life import EngineLife, Weights
from training.core.rl.rollouts import Ids, Rollout
from training.core.serving.engine_process import SERVED_NAME
from training.core.tokenizer import special_id


class EngineGone(Exception):
    """The engine broke off. `life` is the one that ended, counted from 0."""

    def __init__(self, life: int) -> None:
        super().__init__(f"the engine's life {life} ended")
        self.life = life


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
    """Asks the engine, and gives it the learner's weights; a context manager that starts and ends it.

    `write` writes the learner's weights into a directory; two of them, in `folder`, take turns. Every method
    raises EngineLost where the engine died and cannot be brought back."""

    name = "vLLM beside the training process"

    def __init__(
        self, engine: EngineLife, asking: Asking, *, write: Callable[[Path], None], folder: Path
    ) -> None:
        self.engine, self._asking, self._write = engine, asking, write
        self._folders = (folder / "weights-0", folder / "weights-1")
        self._latest = Weights(self._folders[0], 0)
        self._loading: Future[None] | None = None
        self._ends = asking.ends

    def __enter__(self) -> "EngineActor":
        """Start it on the learner's weights. Raises EngineStartError."""
        self._write(self._latest.folder)
        self.engine.open(self._latest)
        return self

    def __exit__(self, *exception: object) -> None:
        self.engine.close()

    def ask(self, prompts: Sequence[Ids], answers: int, seed: int) -> list[list[Rollout]]:
        """All at once, and wait. Prompts whose answers were lost with an engine are asked again."""
        return self.engine.run(self._ask_all(prompts, answers, seed))

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
        self._loading = self.engine.take(self._latest)
        if wait:
            self._loading.result()

    async def answer(self, prompt: Ids, answers: int, seed: int | None = None) -> list[Rollout]:
        """On the engine's thread. Raises EngineGone where the engine died over it, after which its `revive`
        brings it back."""
        engine = self.engine
        async with engine.lock:  # not while it takes weights or is started anew
            life, first, body = engine.life, engine.version, self._body(prompt, answers, seed)
        try:
            response = await engine.client.post("/v1/completions", json=body)
        except httpx.HTTPError as error:
            raise EngineGone(life) from error
        if response.status_code >= httpx.codes.INTERNAL_SERVER_ERROR:
            raise EngineGone(life)
        if response.is_error:
            raise EngineLost(f"the engine refuses a prompt: {response.text[:300]}")
        choices = sorted(response.json()["choices"], key=lambda choice: int(choice["index"]))
        return [self._rollout(prompt, choice, first) for choice in choices]

    async def _ask_all(self, prompts: Sequence[Ids], answers: int, seed: int) -> list[list[Rollout]]:
        asked = (self._ask_until(prompt, answers, seed + place) for place, prompt in enumerate(prompts))
        return list(await asyncio.gather(*asked))

    async def _ask_until(self, prompt: Ids, answers: int, seed: int) -> list[Rollout]:
        while True:
            try:
                return await self.answer(prompt, answers, seed % 2**31)
            except EngineGone as gone:
                await self.engine.revive(gone.life)

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
            "cache_salt": f"{self.engine.life}-{self.engine.version}",
        }
        return body | ({} if seed is None else {"seed": seed})

    def _rollout(self, prompt: Ids, choice: dict[str, Any], first: int) -> Rollout:
        ids, logs = tuple(choice["token_ids"]), tuple(choice["logprobs"]["token_logprobs"])
        if len(ids) != len(logs) or not all(map(math.isfinite, logs)):
            raise EngineLost(f"the engine sent {len(ids)} tokens with the log-probabilities {logs[:5]}...")
        spoken = ids[:-1] if ids and ids[-1] in self._ends else ids
        text = self._asking.tokenizer.decode(list(spoken), skip_special_tokens=False)
        return Rollout(tuple(prompt), ids, logs, text, first, self.engine.newest)
