"""Groups of answers to one prompt, their rewards, and which groups a step learns from."""

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Any

from training.core.rl.rollouts import Rollout
from training.core.rl.tasks import Asked
from training.core.verifiers.verdict import VerifierError


@dataclass(frozen=True)
class Group:
    """The answers to one prompt and what each earned; no rewards where `failure` says why the verifier could
    not work. `source` is the prompt's."""

    key: str
    rollouts: tuple[Rollout, ...]
    rewards: tuple[float, ...]
    source: Mapping[str, Any] = field(default_factory=dict)
    failure: str = ""

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
        return not self.failure and min(self.rewards) != max(self.rewards)

    @property
    def version(self) -> int:
        """The oldest weights that any of its tokens may be from."""
        return min(rollout.first_version for rollout in self.rollouts)


@dataclass(frozen=True)
class Dropped:
    """A group that no step learns from, and why."""

    group: Group
    why: str


NO_SIGNAL, STALE, UNUSED = "all rewards are equal", "older than the staleness allowed", "the run ended first"


@dataclass(frozen=True)
class Collected:
    """The groups that a step learns from, and what it took to find them."""

    groups: tuple[Group, ...]
    dropped: tuple[Dropped, ...] = ()
    lost: int = 0
    """Prompts asked in vain, because the engine died."""
    solved: tuple[str, ...] = ()
    """Prompts that need not be asked again."""

    @property
    def all(self) -> list[Group]:
        return [*self.groups, *(dropped.group for dropped in self.dropped)]

    @property
    def asked(self) -> int:
        """Prompts that it took."""
        return len(self.all) + self.lost

    @property
    def reward(self) -> float:
        """The mean reward of all groups that were verified; 0 where none was."""
        means = [group.mean for group in self.all if not group.failure]
        return sum(means) / len(means) if means else 0.0

    @property
    def failures(self) -> list[str]:
        """Why groups could not be verified, one for each of them."""
        return [group.failure for group in self.all if group.failure]

    def dropped_for(self, why: str) -> int:
        return sum(dropped.why == why for dropped in self.dropped)


def rewarded(item: Asked, rollouts: Sequence[Rollout]) -> Group:
    """The answers with their rewards. Where the verifier cannot work on one of them, none is rewarded: a
    group that is compared in part would reward or punish what was not looked at."""
    try:
        rewards = tuple(item.reward(rollout.text) for rollout in rollouts)
    except VerifierError as error:
        return Group(item.key, tuple(rollouts), (), item.source, str(error))
    return Group(item.key, tuple(rollouts), rewards, item.source)


def reward_all(
    asked: Iterable[Asked], answers: Iterable[Sequence[Rollout]], pool: Executor | None
) -> list[Group]:
    """Groups verified side by side, the answers of each in order."""
    if pool is None:
        return [rewarded(item, rollouts) for item, rollouts in zip(asked, answers, strict=True)]
    return list(pool.map(rewarded, list(asked), list(answers)))
