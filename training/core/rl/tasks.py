"""Where prompts come from, and how answers to them are rewarded."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from training.core.errors import TrainingError


@dataclass(frozen=True)
class Asked:
    """A prompt, the name by which it is known again, and how an answer to it is rewarded, in [0, 1].

    `reward` raises VerifierError where the verifier cannot work. `source` is what the documents of its
    rollouts say of where the prompt is from."""

    key: str
    prompt_ids: tuple[int, ...]
    reward: Callable[[str], float]
    source: Mapping[str, Any] = field(default_factory=dict)


class Task(Protocol):
    """Prompts without end."""

    def draw(self, rng: random.Random) -> Asked: ...


@dataclass(frozen=True)
class Mixture:
    """Several tasks: each prompt is drawn from one of them, as often as its weight says."""

    parts: Sequence[tuple[Task, float]]

    def __post_init__(self) -> None:
        if not self.parts:
            raise TrainingError("there is nothing to ask: give at least one source of prompts")

    def draw(self, rng: random.Random) -> Asked:
        tasks, weights = zip(*self.parts, strict=True)
        task: Task = tasks[0] if len(tasks) == 1 else rng.choices(tasks, weights)[0]
        return task.draw(rng)
