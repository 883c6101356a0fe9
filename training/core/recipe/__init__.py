"""What a flow and its stages can be told: frozen dataclasses whose defaults are Olmo 3 7B's own figures.

The demo is the same code with smaller numbers (`training/recipes/demo.toml`). Figures: "Olmo 3", arXiv
2512.13961v2. `recipe_files` reads and checks them.
"""

from training.core.recipe.base import LongContextRecipe, MicroannealRecipe, MidtrainRecipe, PretrainRecipe
from training.core.recipe.flow import FlowRecipe
from training.core.recipe.post_training import (
    InstructDpoRecipe,
    InstructSftRecipe,
    PairsRecipe,
    ThinkDpoRecipe,
    ThinkSftRecipe,
)
from training.core.recipe.prepare import PrepareRecipe
from training.core.recipe.reinforcement import PromptSource, RlvrRecipe, RlZeroRecipe
from training.core.recipe.train import AdapterRecipe, ModelRecipe, TrainRecipe

__all__ = [
    "AdapterRecipe",
    "FlowRecipe",
    "InstructDpoRecipe",
    "InstructSftRecipe",
    "LongContextRecipe",
    "MicroannealRecipe",
    "MidtrainRecipe",
    "ModelRecipe",
    "PairsRecipe",
    "PrepareRecipe",
    "PretrainRecipe",
    "PromptSource",
    "RlZeroRecipe",
    "RlvrRecipe",
    "ThinkDpoRecipe",
    "ThinkSftRecipe",
    "TrainRecipe",
]
