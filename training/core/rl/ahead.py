"""Asking ahead: an engine answers while the learner steps, and the learner takes what is there.

Answers are then from weights some steps behind. Those that are further behind than is allowed are dropped and
counted; what is left of the difference, truncated importance sampling corrects.
"""

import asyncio
import queue
import random
from collections.abc import Iterator
from concurrent.futures import Executor, Future
from dataclasses import dataclass

from training.core.rl.collecting import REDRAWS, Sampling
from training.core.rl.engine_actor import EngineActor, EngineGone
from training.core.rl.groups import NO_SIGNAL, STALE, UNUSED, Collected, Dropped, Group, rewarded
from training.core.rl.tasks import Asked, Task


@dataclass(frozen=True)
class Arrived:
    """A verified group, and what tells its lane that the learner has taken it."""

    group: Group
    taken: asyncio.Event


class AskAhead:
    """Keeps `ahead` batches of prompts in the air or waiting, each in a lane of its own: it asks one, has its
    answers verified, and asks the next once the learner took them, or at once where they carry no signal.

    What is collected depends on which answers come first, so that two runs are not alike. Lanes draw from
    seeds of their own, which differ between the attempts of a job that was killed."""

    def __init__(
        self,
        task: Task,
        actor: EngineActor,
        sampling: Sampling,
        *,
        staleness: int,
        ahead: int,
        seed: int,
        pool: Executor,
    ) -> None:
        self._task, self._actor, self._sampling, self._pool = task, actor, sampling, pool
        self._staleness, self._seed = staleness, seed
        self._lanes_wanted = ahead * sampling.prompts
        self._finished: queue.SimpleQueue[Arrived | BaseException] = queue.SimpleQueue()
        self._lanes: list[Future[None]] = []
        self._known: set[str] = set()
        self._lost = 0

    def collect(self, step: int, known: set[str]) -> Collected:
        self._actor.update(step, wait=not self._lanes)
        if not self._lanes:
            self._known, rng = known, random.Random(f"{self._seed}-{step}")
            self._lanes = [self._open_lane(rng.getrandbits(64)) for _ in range(self._lanes_wanted)]
        kept, dropped, solved, looked_at = list[Group](), list[Dropped](), set[str](), 0
        while len(kept) < self._sampling.prompts and looked_at < self._sampling.most:
            group = self._next()
            why = self._why_not(group, step)
            looked_at += why != STALE
            if why:
                dropped.append(Dropped(group, why))
            else:
                kept.append(group)
            if self._sampling.is_solved(group):
                solved.add(group.key)
        known |= solved
        lost, self._lost = self._lost, 0
        return Collected(tuple(kept), tuple(dropped), lost, tuple(sorted(solved)))

    def leftovers(self) -> list[Dropped]:
        for lane in self._lanes:
            lane.cancel()
        return [Dropped(group, UNUSED) for group in self._waiting()]

    def _why_not(self, group: Group, step: int) -> str:
        if step - group.version > self._staleness:
            return STALE
        return "" if group.has_signal else group.failure or NO_SIGNAL

    def _next(self) -> Group:
        """The next group that is verified. Raises what ended a lane."""
        arrived = self._finished.get()
        if isinstance(arrived, BaseException):
            raise arrived
        self._actor.engine.tell(arrived.taken.set)
        return arrived.group

    def _waiting(self) -> Iterator[Group]:
        while not self._finished.empty():
            arrived = self._finished.get()
            if isinstance(arrived, Arrived):
                yield arrived.group

    # On the engine's thread

    def _open_lane(self, seed: int) -> "Future[None]":
        return self._actor.engine.spawn(self._lane(random.Random(seed)))

    async def _lane(self, rng: random.Random) -> None:
        try:
            while True:
                await self._ask_one(self._draw(rng))
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # for the learner to raise: nobody looks at a lane
            self._finished.put(error)

    async def _ask_one(self, asked: Asked) -> None:
        try:
            rollouts = await self._actor.answer(asked.prompt_ids, self._sampling.answers)
        except EngineGone as gone:
            self._lost += 1
            return await self._actor.engine.revive(gone.life)
        loop = asyncio.get_running_loop()
        group = await loop.run_in_executor(self._pool, rewarded, asked, rollouts)
        arrived = Arrived(group, asyncio.Event())
        self._finished.put(arrived)
        if group.has_signal or self._finished.qsize() >= self._sampling.most:
            await arrived.taken.wait()
        return None

    def _draw(self, rng: random.Random) -> Asked:
        item = self._task.draw(rng)
        for _ in range(REDRAWS):
            if item.key not in self._known:
                break
            item = self._task.draw(rng)
        return item
