"""Everything on one checkpoint's page."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from training.by_length.charts import length_charts
from training.by_length.scores import length_scores
from training.charts import Chart
from training.checkpoint_pages.costs import cost_rows
from training.checkpoint_pages.kinds import kind_of, origin_of
from training.core.checkpoints import IMPORTED, weight_files
from training.evaluation_report import badge_words
from training.lineage import Lineage
from training.models import Checkpoint, Evaluation, TrainedOn
from training.standings import Score
from training.standings import named_scores as evaluation_scores
from training.verification import visible_damage
from training.views import named_scores

SHAPE = {
    "hidden_size": "Width",
    "num_hidden_layers": "Layers",
    "num_attention_heads": "Heads",
    "max_position_embeddings": "Context, in tokens",
    "vocab_size": "Vocabulary",
}


@dataclass(frozen=True)
class Examined:
    """Its newest evaluation on a task."""

    evaluation: Evaluation
    scores: list[tuple[str, Score]]
    badge: str

    @property
    def has_whole(self) -> bool:
        return bool(self.evaluation.contamination.get("exact"))


@dataclass(frozen=True)
class Card:
    """A checkpoint with all that its page shows."""

    checkpoint: Checkpoint
    lineage: Lineage
    kind: str
    origin: str
    damage: str
    size_bytes: int
    shape: list[tuple[str, int]]
    parents: list[Checkpoint]
    children: list[Checkpoint]
    stations: list[Checkpoint]
    own: list[TrainedOn]
    inherited: list[TrainedOn]
    scores: list[tuple[str, str]]
    by_length: list[Chart]
    examined: list[Examined]
    cost: list[tuple[str, str, str]]
    settings: list[tuple[str, str]]

    @property
    def is_imported(self) -> bool:
        """It was made elsewhere: which corpora are behind it is what administrators say."""
        return self.checkpoint.stage == IMPORTED

    @property
    def shares(self) -> list[tuple[TrainedOn, int]]:
        """Its own stage's stores with their parts of all their tokens, in percent."""
        total = sum(row.store.tokens for row in self.own) or 1
        return [(row, round(100 * row.store.tokens / total)) for row in self.own]


def card_of(checkpoint: Checkpoint) -> Card:
    lineage = Lineage.of(checkpoint)
    parents = list(checkpoint.parents.order_by("pk"))
    own = [row for row in lineage.readings if row.checkpoint_id == checkpoint.pk]
    return Card(
        checkpoint=checkpoint,
        lineage=lineage,
        kind=kind_of(checkpoint),
        origin=origin_of(checkpoint, parents),
        damage=visible_damage(checkpoint),
        size_bytes=sum(path.stat().st_size for path in weight_files(checkpoint.path)),
        shape=shape_of(checkpoint),
        parents=parents,
        children=branches(checkpoint),
        stations=list(lineage.published.get(checkpoint.job_id, [])) if checkpoint.job_id else [],
        own=own,
        inherited=[row for row in lineage.readings if row.checkpoint_id != checkpoint.pk],
        scores=named_scores(checkpoint.scores),
        by_length=length_charts(length_scores(checkpoint)),
        examined=newest_evaluations(checkpoint),
        cost=cost_rows(checkpoint, lineage),
        settings=list(flat(checkpoint.config).items()),
    )


def branches(checkpoint: Checkpoint) -> list[Checkpoint]:
    """The furthest checkpoint of each stage that started from it."""
    furthest: dict[object, Checkpoint] = {}
    for child in checkpoint.children.order_by("step", "pk"):
        furthest[child.job_id or child.name] = child
    return sorted(furthest.values(), key=lambda child: child.pk)


def shape_of(checkpoint: Checkpoint) -> list[tuple[str, int]]:
    """From its config.json, as far as that can be read."""
    try:
        config = json.loads((checkpoint.path / "config.json").read_text("utf-8"))
        return [(words, int(config[name])) for name, words in SHAPE.items() if name in config]
    except (OSError, ValueError, TypeError):
        return []


def newest_evaluations(checkpoint: Checkpoint) -> list[Examined]:
    """Of each task the newest, the tasks in the order in which they were first put."""
    found: dict[str, Evaluation] = {}
    for one in checkpoint.evaluations.order_by("created_at", "pk"):
        found[one.digest] = one
    return [Examined(one, evaluation_scores(one), badge_words(one)) for one in found.values()]


def flat(config: Mapping[str, Any], before: str = "") -> dict[str, str]:
    """Settings by name, those of tables as `table.name`, as they are written in a recipe."""
    found: dict[str, str] = {}
    for name, value in config.items():
        if isinstance(value, Mapping) and value:
            found |= flat(value, f"{before}{name}.")
        else:
            found[before + name] = json.dumps(value, ensure_ascii=False)
    return found
