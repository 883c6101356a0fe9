"""What one step of reinforcement learning tried, from the file that the job keeps of it."""

import json
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from training.core.errors import JobError
from training.models import Job

FILE_BYTES_MAX = 64 * 2**20
GROUPS_SHOWN = 200
TEXT_CHARACTERS = 20_000
DIGITS_MAX = 9


@dataclass(frozen=True)
class Tried:
    """An answer: its reward (None where the verifier failed), its tokens, and the steps that the weights had
    seen when it was asked for and when its last token was sampled."""

    text: str
    tokens: int
    reward: float | None
    first_version: int
    last_version: int


@dataclass(frozen=True)
class TriedGroup:
    """The answers to one prompt. `dropped` says why no step learned from them; empty where one did."""

    prompt: str
    dropped: str
    reward: float | None
    answers: tuple[Tried, ...]


@dataclass(frozen=True)
class TriedStep:
    """A step, from 1, of those up to `last` that are on record; `more` groups are in the file alone."""

    step: int
    last: int
    groups: tuple[TriedGroup, ...]
    more: int
    lost: int

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def asked_step(text: str) -> int | None:
    """The step that a person or program named; None where none was. Raises JobError."""
    if not text:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) <= DIGITS_MAX):
        raise JobError(f"{text[:40]!r} is no step: write a whole number")
    return int(text)


def read_step(job: Job, step: int | None = None) -> TriedStep:
    """The step's groups, those that it learned from first; by default the last step's. Raises JobError."""
    folder = job.directory / "rollouts"
    last = last_step(folder)
    if last is None:
        raise JobError(f"{job} has no answers on record: only reinforcement learning tries any")
    chosen = last if step is None else step
    if not 1 <= chosen <= last:
        raise JobError(f"{job} has no step {chosen:,} on record: name one from 1 to {last:,}")
    content = read_file(folder / f"{chosen:07}.json")
    try:
        rows = [*content["groups"], *content["dropped"]]
        groups = tuple(map(tried_group, rows[:GROUPS_SHOWN]))
        return TriedStep(chosen, last, groups, max(0, len(rows) - GROUPS_SHOWN), int(content["lost"]))
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise JobError(f"the record of step {chosen:,} is damaged ({error!r})") from error


def last_step(folder: Path) -> int | None:
    """The last step that is on record."""
    with suppress(OSError), os.scandir(folder) as entries:
        names = (entry.name.removesuffix(".json") for entry in entries if entry.name.endswith(".json"))
        return max((int(name) for name in names if name.isdecimal()), default=None)
    return None


def read_file(path: Path) -> Mapping[str, Any]:
    try:
        if path.stat().st_size > FILE_BYTES_MAX:
            raise JobError(f"the record of this step is too large to show here: read {path} by a program")
        content = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise JobError(f"the record of this step cannot be read ({error})") from error
    return content if isinstance(content, dict) else {}


def tried_group(row: Mapping[str, Any]) -> TriedGroup:
    rewards: Sequence[float] = row["rewards"]
    answers = tuple(
        Tried(str(text)[:TEXT_CHARACTERS], len(ids), rewards[place] if rewards else None, first, last)
        for place, (_, ids, _, text, first, last) in enumerate(row["rollouts"])
    )
    reward = sum(rewards) / len(rewards) if rewards else None
    return TriedGroup(str(row["key"])[:TEXT_CHARACTERS], str(row.get("why", "")), reward, answers)
