"""Groups of answers to one prompt, their rewards, and which groups a step learns from."""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from training.core.rl.rollouts import Actor, Rollout

REDRAWS = 50  # of a prompt that was solved before


@dataclass(frozen=True)
class Asked:
    """A prompt, the name by which it is known again, and how an answer to it is rewarded, in [0, 1]."""

    key: str
    prompt: str
    reward: Callable[[str], float]


class Task(Protocol):
    """Where prompts come from."""

    def draw(self, rng: random.Random) -> Asked: ...


@dataclass(frozen=True)
class Group:
    """The answers to one prompt and what each earned."""

    key: str
    rollouts: tuple[Rollout, ...]
    rewards: tuple[float, ...]

    @property
    def mean(self) -> float:
        return sum(self.rewards) / len(self.rewards)

    @property
    def advantages(self) -> list[float]:
        """Each reward less the group's mean; not divided by the standard deviation, which would weigh prompts
        that are almost always solved, or almost never, the most."""
        return [reward - self.mean for reward in self.rewards]

    @property
    def has_signal(self) -> bool:
        """Equal rewards move nothing."""
        return min(self.rewards) != max(self.rewards)


@dataclass(frozen=True)
class Collected:
    """The groups that a step learns from, and what it took to find them: all groups asked for, their mean
    reward, and the prompts among them that need not be asked again."""

    groups: tuple[Group, ...]
    asked: int
    reward: float
    solved: tuple[str, ...]


@dataclass(frozen=True)
class Sampling:
    """How a step's groups are collected: `prompts` groups of `answers`.

    With several `rounds` it asks on until all of them carry a signal (active sampling); with one it takes
    what comes (plain GRPO). A prompt solved in a share of `solved` or more is not drawn again."""

    prompts: int
    answers: int
    rounds: int
    solved: float


def collect_groups(task: Task, actor: Actor, sampling: Sampling, known: set[str], seed: int) -> Collected:
    """A step's groups. `known` are the prompts that were solved before; `seed` decides all that is drawn."""
    rng = random.Random(seed)
    kept: list[Group] = []
    seen: list[Group] = []
    for round_number in range(sampling.rounds):
        wanted = sampling.prompts - len(kept)
        if wanted == 0:
            break
        fresh = ask_for(task, actor, sampling, wanted, known, rng, seed + round_number)
        seen += fresh
        kept += [group for group in fresh if group.has_signal]
    mean = sum(group.mean for group in seen) / len(seen)
    solved = tuple(sorted({group.key for group in seen if group.mean >= sampling.solved}))
    return Collected(tuple(kept), len(seen), mean, solved)


def ask_for(
    task: Task, actor: Actor, sampling: Sampling, wanted: int, known: set[str], rng: random.Random, seed: int
) -> list[Group]:
    """So many groups of new prompts."""
    asked = list(draw_new(task, wanted, known, rng))
    answers = actor.ask([item.prompt for item in asked], sampling.answers, seed)
    return [rewarded(item, rollouts) for item, rollouts in zip(asked, answers, strict=True)]


def rewarded(item: Asked, rollouts: Sequence[Rollout]) -> Group:
    return Group(item.key, tuple(rollouts), tuple(item.reward(rollout.text) for rollout in rollouts))


def draw_new(task: Task, wanted: int, known: set[str], rng: random.Random) -> Iterator[Asked]:
    """Prompts that were not solved before; where almost all were, one of those rather than none."""
    for _ in range(wanted):
        item = task.draw(rng)
        for _ in range(REDRAWS):
            if item.key not in known:
                break
            item = task.draw(rng)
        yield item
