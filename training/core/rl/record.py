"""What reinforcement learning trained on, kept: a file a step, and a token store for each checkpoint.

The rollouts of a step are made while it runs, so unlike the other stages' data they are no function of a seed
and a store. Each step's groups are written to JOB_DIR/rollouts before its update: those that it learns from,
and those that were dropped since the step before, with the reason. When a checkpoint is published, what the
steps since the last one learned from becomes a token store, in which every document says the step that used
it: nothing has to be replayed to know that. What was dropped was not trained on, and stays out of it.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tracing.core.building.writer import StoreWriter
from tracing.core.stores.manifest import read_manifest
from training.core.arithmetic import LICENCE
from training.core.checkpoints import StoreRead
from training.core.job import Job
from training.core.rl.groups import Collected, Dropped, Group
from training.core.rl.rollouts import Rollout

CORPUS = "headwater-rollouts"


class Record:
    """The steps of one job. Steps count from 1, as metrics do."""

    def __init__(self, job: Job, tokenizer: str, *, dtype: str = "u16", actor: str = "") -> None:
        self._job, self._tokenizer, self._folder = job, tokenizer, job.folder / "rollouts"
        self._dtype, self._actor = dtype, actor

    def write(self, step: int, collected: Collected) -> None:
        """Keep a step's groups; what an attempt that was killed had kept of it is replaced."""
        self._folder.mkdir(exist_ok=True)
        path = self._path(step)
        partial = path.with_suffix(".partial")
        content = {
            "solved": collected.solved,
            "lost": collected.lost,
            "groups": [_written(group) for group in collected.groups],
            "dropped": [{"why": out.why, **_written(out.group)} for out in collected.dropped],
        }
        partial.write_text(json.dumps(content))
        partial.replace(path)

    def solved_before(self, step: int) -> set[str]:
        """Prompts that were solved in the steps before this one."""
        read = (self._read(earlier) for earlier in range(1, step))
        return {key for content in read for key in content["solved"]}

    def groups(self, step: int) -> list[Group]:
        """The groups that the step learned from."""
        return [_group(written) for written in self._read(step)["groups"]]

    def dropped(self, step: int) -> list[Dropped]:
        """The groups that were dropped between the step before and this one, and why."""
        return [Dropped(_group(written), written["why"]) for written in self._read(step)["dropped"]]

    def publish_stores(self, milestones: list[int]) -> tuple[StoreRead, ...]:
        """The stores of the rollouts up to these steps, one for each, made where it is not there."""
        reads, first = list[StoreRead](), 1
        for last in milestones:
            name = f"{self._job.store_name(self._job.config.stage)}-rollouts-{first}-{last}"
            if self._any(first, last):
                folder = self._job.store_folder(name)
                if not folder.exists():
                    self._write_store(folder, first, last)
                stage = self._job.config.stage
                self._job.events.write("store", name=name, path=str(folder), stage=stage)
                reads.append(StoreRead(name, read_manifest(folder).digest, 0))
            first = last + 1
        return tuple(reads)

    def _any(self, first: int, last: int) -> bool:
        return any(self._read(step)["groups"] for step in range(first, last + 1))

    def _write_store(self, folder: Path, first: int, last: int) -> None:
        with StoreWriter(
            folder,
            name=folder.name,
            tokenizer=self._tokenizer,
            dtype=self._dtype,
            stage=self._job.config.stage,
            source=f"rollouts of {self._job.config.name}-{self._job.config.stage}",
            licence=LICENCE,
            generator={"name": "training.core.rl", "steps": [first, last], "actor": self._actor},
        ) as writer:
            for step in range(first, last + 1):
                for ids, metadata in self._documents(step):
                    writer.add(ids, metadata)
            writer.publish()

    def _documents(self, step: int) -> Iterator[tuple[list[int], dict[str, Any]]]:
        stage = self._job.config.stage
        for number, group in enumerate(self.groups(step)):
            scored = zip(group.rollouts, group.rewards, group.advantages, strict=True)
            for place, (rollout, reward, advantage) in enumerate(scored):
                ids = [*rollout.prompt_ids, *rollout.answer_ids]
                yield (
                    ids,
                    {
                        "id": f"{stage}/{step}/{number}/{place}",
                        "corpus": CORPUS,
                        "stage": stage,
                        "source": f"rollout of step {step}",
                        "url": "",
                        "title": group.key,
                        "licence": LICENCE,
                        **group.source,
                        "step": step,
                        "group": number,
                        "reward": reward,
                        "advantage": advantage,
                        "engine": told_version(rollout),
                        "engine_version": [rollout.first_version, rollout.last_version],
                        "staleness": step - 1 - rollout.first_version,
                        "loss": [[len(rollout.prompt_ids), len(ids)]],
                    },
                )

    def _read(self, step: int) -> dict[str, Any]:
        content: dict[str, Any] = json.loads(self._path(step).read_text())
        return content

    def _path(self, step: int) -> Path:
        return self._folder / f"{step:07}.json"


def told_version(rollout: Rollout) -> str:
    first, last = rollout.first_version, rollout.last_version
    return f"weights after step {first}" if first == last else f"weights after steps {first} to {last}"


def _written(group: Group) -> dict[str, Any]:
    rollouts = [
        [r.prompt_ids, r.answer_ids, r.logprobs, r.text, r.first_version, r.last_version]
        for r in group.rollouts
    ]
    told = {"key": group.key, "rewards": group.rewards, "source": group.source, "failure": group.failure}
    return {**told, "rollouts": rollouts}


def _group(written: dict[str, Any]) -> Group:
    rollouts = (Rollout(tuple(p), tuple(a), tuple(logs), *rest) for p, a, logs, *rest in written["rollouts"])
    told = {name: written[name] for name in ("source", "failure")}
    return Group(written["key"], tuple(rollouts), tuple(written["rewards"]), **told)
