"""The model that a stage starts from: a checkpoint's, all of it to be trained, or an adapter on it."""

from pathlib import Path
from typing import Any

from training.core.adapters.files import base_folder, is_adapter
from training.core.model import load_model
from training.core.recipe import TrainRecipe


def load_start(parent: Path, recipe: TrainRecipe) -> Any:
    """The model of the checkpoint in `parent`, ready for the stage.

    Without `recipe.adapter` every weight is trained; a parent that is itself an adapter is merged as it is
    loaded. With it the adapter alone is: a fresh one, or the parent's, if that is one, which then goes on.
    Raises CheckpointError, or RecipeError for an adapter that cannot be put on this model.
    """
    if recipe.adapter is None:
        return load_model(parent)
    from training.core.adapters.lora import add_adapter, continue_adapter, forget_base  # takes a while

    base = base_folder(parent) if is_adapter(parent) else parent
    model = load_model(base)
    if base is parent:
        add_adapter(model, recipe.adapter, seed=recipe.seed)
    else:
        continue_adapter(model, recipe.adapter, parent)
    forget_base(model)
    return model
