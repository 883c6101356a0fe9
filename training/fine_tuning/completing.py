"""What was asked of a fine-tune becomes its whole settings, once its data is a token store."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tracing.models import Store
from training.core.bounds import build
from training.core.recipe import RlvrRecipe, TrainRecipe
from training.core.recipe_files import STAGES, recipe_table
from training.core.subset import split
from training.datasets import services as datasets
from training.fine_tuning.defaults import default_settings
from training.models import Checkpoint, Dataset


@dataclass(frozen=True)
class Asked:
    """The settings that somebody chose, an adapter's among them, and for reinforcement how many times each
    prompt is to be asked (0: as the settings say)."""

    settings: Mapping[str, Any]
    adapter: Mapping[str, Any] | None = None
    passes: int = 0


def completed(
    *,
    stage: str,
    parent: Checkpoint,
    dataset: Dataset | None,
    validation: Dataset | None,
    asked: Asked,
    store: Store | None = None,
) -> dict[str, Any]:
    """The job's `config` and `planned_s`; the data sets' stores are made where they are not yet.

    Raises TrainingError or TracingError."""
    if dataset is not None:
        store = datasets.ready_store(dataset=dataset, checkpoint=parent)
    measured = None
    if validation is not None:
        measured = datasets.ready_store(dataset=validation, checkpoint=parent)
    recipe = recipe_for(stage, parent, store, asked, measured)
    return {"config": recipe_table(recipe), "planned_s": recipe.planned_s}


def recipe_for(
    stage: str, parent: Checkpoint, store: Store | None, asked: Asked, validation: Store | None = None
) -> Any:
    """The stage's recipe with what was asked, the rest scaled to the store. Raises TrainingError."""
    table = {**default_settings(stage=stage, parent=parent, store=store), **asked.settings}
    table |= {"store": store.name if store else ""}
    table |= {"validation_store": validation.name} if validation else {}
    table |= {"adapter": dict(asked.adapter)} if asked.adapter is not None else {}
    if asked.passes and store is not None:
        table["steps"] = steps_of(asked.passes, store, table)
    recipe: Any = build(STAGES[stage], table, "settings")
    check_held_out(recipe, store)
    return recipe


def steps_of(passes: int, store: Store, table: Mapping[str, Any]) -> int:
    """Updates in which every prompt is asked so many times."""
    size = table.get("batch_size") or RlvrRecipe.batch_size
    return max(1, math.ceil(store.documents * passes / int(size)))


def check_held_out(recipe: TrainRecipe, store: Store | None) -> None:
    """Raises OrderError where every document would be held out."""
    if store is not None and recipe.held_out:
        split(store.documents, recipe.held_out, pairs=recipe.packing == "pairs")
