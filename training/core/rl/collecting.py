"""Collecting the groups of a step by asking for them and waiting (staleness 0)."""

import random
from collections.abc import Iterator
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Protocol

from training.core.rl.groups import NO_SIGNAL, Collected, Dropped, Group, reward_all
from training.core.rl.rollouts import Actor
from training.core.rl.tasks import Asked, Task

REDRAWS = 50  # of a prompt that was solved before


@dataclass(frozen=True)
class Sampling:
    """How a step's groups are collected: `prompts` groups of `answers`.

    With several `rounds` it asks on until all of them carry a signal (active sampling); with one it takes
    what comes (plain GRPO). A prompt solved in a share of `solved` or more is not drawn again."""

    prompts: int
    answers: int
    rounds: int
    solved: float

    @property
    def most(self) -> int:
        """Groups that are asked for in a step, at most."""
        return self.prompts * self.rounds

    def is_solved(self, group: Group) -> bool:
        return not group.failure and group.mean >= self.solved


class Supply(Protocol):
    """Where the groups of each step come from."""

    def collect(self, step: int, known: set[str]) -> Collected:
        """The groups of a step, counted from 0, by the learner's weights as they are now. `known` are the
        prompts that were solved before; those solved now are added. Raises TrainingError."""
        ...

    def leftovers(self) -> list[Dropped]:
        """What was sampled and will not be used, once the last step is done."""
        ...


class AskAndWait:
    """The engine waits while the learner steps, and the learner while the engine answers."""

    def __init__(
        self, task: Task, actor: Actor, sampling: Sampling, seed: int, pool: Executor | None = None
    ) -> None:
        self._task, self._actor, self._sampling, self._seed = task, actor, sampling, seed
        self._pool = pool

    def collect(self, step: int, known: set[str]) -> Collected:
        self._actor.update(step)
        seed = self._seed * 1_000_003 + step * 1009
        return collect_groups(self._task, self._actor, self._sampling, known, seed, self._pool)

    def leftovers(self) -> list[Dropped]:
        return []


def collect_groups(
    task: Task, actor: Actor, sampling: Sampling, known: set[str], seed: int, pool: Executor | None = None
) -> Collected:
    """A step's groups. `seed` decides all that is drawn; the prompts solved are added to `known`."""
    rng = random.Random(seed)
    kept, dropped, solved = list[Group](), list[Dropped](), set[str]()
    for round_number in range(sampling.rounds):
        wanted = sampling.prompts - len(kept)
        if wanted == 0:
            break
        asked = list(draw_new(task, wanted, known, rng))
        answers = actor.ask([item.prompt_ids for item in asked], sampling.answers, seed + round_number)
        for group in reward_all(asked, answers, pool):
            if group.has_signal:
                kept.append(group)
            else:
                dropped.append(Dropped(group, group.failure or NO_SIGNAL))
            if sampling.is_solved(group):
                solved.add(group.key)
    known |= solved
    return Collected(tuple(kept), tuple(dropped), solved=tuple(sorted(solved)))


def draw_new(task: Task, wanted: int, known: set[str], rng: random.Random) -> Iterator[Asked]:
    """Prompts that were not solved before; where almost all were, one of those rather than none."""
    for _ in range(wanted):
        item = task.draw(rng)
        for _ in range(REDRAWS):
            if item.key not in known:
                break
            item = task.draw(rng)
        yield item
