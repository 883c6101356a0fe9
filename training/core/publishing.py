"""A stage's checkpoints: which there are to be, publishing them, telling of them."""

import dataclasses
import json
from collections.abc import Mapping
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any

from training.core.adapters.files import base_of
from training.core.checkpoints import CheckpointManifest, StoreRead, publish_checkpoint, read_checkpoint
from training.core.cost import lineage_cost
from training.core.errors import CheckpointError
from training.core.evaluation.exam import Scores
from training.core.parallel.sharding import whole_weights
from training.core.recipe_files import recipe_table
from training.core.stage import Stage

ANNOUNCED = ("name", "stage", "step", "steps", "scores")
DECISIVE = ("stage", "step", "steps", "parents", "stores", "tokenizer", "config", "averaged", "part_of")


def milestones(steps: int, checkpoints: int) -> frozenset[int]:
    """The steps after which `checkpoints` intermediate checkpoints are published: evenly spaced, without the
    last."""
    parts = checkpoints + 1
    return frozenset({steps * part // parts for part in range(1, parts)} - {0, steps})


class Publisher:
    """The checkpoints of a stage of `steps` steps."""

    def __init__(self, stage: Stage, steps: int) -> None:
        self._stage, self._steps = stage, steps

    @cached_property
    def milestones(self) -> frozenset[int]:
        """The steps after which an intermediate checkpoint is published."""
        return milestones(self._steps, self._stage.recipe.checkpoints)

    def is_published(self, done: int) -> bool:
        return self._folder(done).exists()

    def publish(self, done: int, metrics: Mapping[str, float], scores: Scores | None = None) -> None:
        """Publish the model as it is after `done` steps, and tell of it; its scores are measured unless they
        are given."""
        if scores is None:
            scores = self._stage.evaluate(done == self._steps)
        weights = whole_weights(self._stage.model) if self._stage.job.world.size > 1 else None
        self._stage.job.world.first(lambda: self._write(done, metrics, scores, weights))

    def _write(
        self, done: int, metrics: Mapping[str, float], scores: Scores, weights: dict[str, Any] | None
    ) -> None:
        stage, folder = self._stage, self._folder(done)
        manifest = self._manifest(folder.name, done, metrics, scores)
        self._announce(
            publish_checkpoint(stage.model, stage.tokenizer, folder, manifest, weights=weights), folder
        )

    def announce_earlier(self) -> None:
        """Tell of what a run before published and may not have lived to tell of. Raises CheckpointError where
        something else has taken a checkpoint's name."""
        for done in sorted(self.milestones | {self._steps}):
            if self.is_published(done):
                self._announce(self._own(done), self._folder(done))

    def _folder(self, done: int) -> Path:
        return self._stage.job.checkpoint_folder(None if done == self._steps else done)

    def _own(self, done: int) -> CheckpointManifest:
        """The manifest of a checkpoint that is there already, if it is the one that this stage would make."""
        folder = self._folder(done)
        found, expected = read_checkpoint(folder), self._manifest(folder.name, done, {}, {})
        for name in DECISIVE:
            if getattr(found, name) != getattr(expected, name):
                raise CheckpointError(
                    f"{folder} is there already, with another {name} ({getattr(found, name)}): checkpoints "
                    "are never rewritten; give the flow another name or delete it"
                )
        return found

    def _manifest(
        self, name: str, done: int, metrics: Mapping[str, float], scores: Scores
    ) -> CheckpointManifest:
        stage, store = self._stage, self._stage.store.manifest
        cost = stage.job.costs.so_far(metrics.get("tokens", 0))
        own = StoreRead(store.name, store.digest, stage.recipe.seed)
        return CheckpointManifest(
            name=name,
            digest="",
            parents=stage.parents,
            stage=stage.job.config.stage,
            step=done,
            steps=self._steps,
            job=stage.job.folder.name,
            config=json.loads(json.dumps(recipe_table(stage.recipe))),
            stores=stage.reads(done) if stage.reads else (own,),
            tokenizer=store.tokenizer,
            chat=stage.chat,
            thinking=stage.thinking,
            functions=stage.functions,
            metrics={**metrics, **{f"{name}_before": score for name, score in stage.before.items()}},
            scores=scores,
            actor=stage.actor,
            cost=cost.to_json(),
            lineage_cost=lineage_cost(cost, self._starts(), stage.job.home / "checkpoints").to_json(),
            **self._base(),
            averaged=stage.averaged,
            part_of=stage.job.run_of.checkpoint_folder().name if stage.job.run_of else "",
        )

    def _starts(self) -> tuple[str, ...]:
        """The checkpoints that the stage started from: behind its own runs, where their average is
        published."""
        stage = self._stage
        folder = stage.job.home / "checkpoints"
        behind = (read_checkpoint(folder / one.name).parents for one in stage.averaged)
        return tuple(dict.fromkeys(chain.from_iterable(behind))) if stage.averaged else stage.parents

    def _base(self) -> dict[str, str]:
        """Of an adapter: the whole checkpoint that it goes on."""
        if self._stage.recipe.adapter is None:
            return {}
        base = base_of(self._stage.job.home / "checkpoints" / self._stage.parents[0])
        return {"base": base.name, "base_digest": base.digest}

    def _announce(self, manifest: CheckpointManifest, folder: Path) -> None:
        fields = {name: value for name, value in dataclasses.asdict(manifest).items() if name in ANNOUNCED}
        final = manifest.step == self._steps and not manifest.part_of
        self._stage.job.events.write("checkpoint", path=str(folder), final=final, **fields)
