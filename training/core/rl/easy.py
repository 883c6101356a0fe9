"""The offline filter: prompts that the start solves too often are left out before training (Olmo 3, section
5.4: more than 62.5 %)."""

import json
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from pathlib import Path
from typing import Any

from training.core.events import Events
from training.core.rl.groups import Group, reward_all
from training.core.rl.prompts import Prompts
from training.core.rl.rollouts import Actor
from training.core.verifiers.verdict import VerifierError

FILE = "offline-filter.jsonl"


class EasyFilter:
    """One pass over all prompts by the checkpoint that training starts from.

    Kept in JOB_DIR/offline-filter.jsonl, a prompt a line: its mean reward, or why it could not be verified
    (it is then kept). A pass that was killed goes on from there."""

    def __init__(self, folder: Path, events: Events, *, answers: int, batch: int, easy: float) -> None:
        self._path, self._events = folder / FILE, events
        self._answers, self._batch, self._easy = answers, batch, easy

    def apply(self, prompts: Prompts, actor: Actor, pool: Executor | None, seed: int) -> None:
        """Leave out of `prompts` what is too easy. Raises VerifierError where nothing could be verified,
        TrainingError where nothing is left."""
        tried = {line["key"]: line for line in self._read()}
        asked = [item for item in prompts.all() if item.key not in tried]
        total = len(prompts)
        for first in range(0, len(asked), self._batch):
            self._events.progress("filtering prompts", total - len(asked) + first, total, "prompts", None)
            batch = asked[first : first + self._batch]
            answers = actor.ask([item.prompt_ids for item in batch], self._answers, seed + first)
            lines = [line_of(group) for group in reward_all(batch, answers, pool)]
            self._write(lines)
            tried |= {line["key"]: line for line in lines}
        self._leave_out(prompts, [tried[item.key] for item in prompts.all()])

    def _leave_out(self, prompts: Prompts, lines: Sequence[dict[str, Any]]) -> None:
        failures = [line["failure"] for line in lines if line["failure"]]
        if len(failures) == len(lines):
            raise VerifierError(f"no prompt of {prompts.name} could be verified: {failures[0]}")
        gone = [line["key"] for line in lines if not line["failure"] and line["mean"] > self._easy]
        kept_unseen = f"; {len(failures)} kept unverified: {failures[0]}" if failures else ""
        self._events.log(
            f"{prompts.name}: {len(gone)} of {len(lines)} prompts left out, because the start solves them in "
            f"more than {self._easy:.1%} of its answers{kept_unseen}",
            "warning" if failures else "info",
        )
        prompts.leave_out(gone)

    def _read(self) -> Iterator[dict[str, Any]]:
        """What earlier attempts found; a line that a kill broke off is passed over."""
        if self._path.exists():
            for line in self._path.read_text("utf-8").splitlines():
                if line.endswith("}"):
                    yield json.loads(line)

    def _write(self, lines: Sequence[dict[str, Any]]) -> None:
        broken = self._path.exists() and not self._path.read_text("utf-8").endswith("\n")
        with self._path.open("a", encoding="utf-8") as file:
            file.write("\n" * broken + "".join(json.dumps(line) + "\n" for line in lines))


def line_of(group: Group) -> dict[str, Any]:
    return {"key": group.key, "mean": None if group.failure else group.mean, "failure": group.failure}
