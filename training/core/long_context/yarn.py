"""A longer context for a trained model: YaRN on the full-attention layers (Peng et al., arXiv 2309.00071).

The sliding layers never look further back than their window, so their positions stay as they were trained.
"""

import copy
import math
from typing import Any

from transformers import Olmo3ForCausalLM

from training.core.errors import RecipeError
from training.core.recipe import LongContextRecipe


def extend_context(model: Any, recipe: LongContextRecipe) -> Any:
    """The model with the same weights, for sequences of `recipe.sequence_length` tokens. Raises RecipeError
    where that is no longer than what it was trained at."""
    config = copy.deepcopy(model.config)
    full = config.rope_parameters["full_attention"]
    # A model that was extended before is stretched anew from where it first was.
    first = full.get("original_max_position_embeddings", config.max_position_embeddings)
    original = recipe.original_context or first
    if recipe.sequence_length <= original:
        raise RecipeError(
            f"sequence_length is {recipe.sequence_length} and the checkpoint takes {original} tokens: long "
            "context needs more"
        )
    config.rope_parameters = {
        "sliding_attention": dict(config.rope_parameters["sliding_attention"]),
        "full_attention": yarn(
            theta=float(full["rope_theta"]),
            factor=recipe.sequence_length / original,
            original=original,
            fast=recipe.yarn_beta_fast,
            slow=recipe.yarn_beta_slow,
        ),
    }
    config.max_position_embeddings = recipe.sequence_length
    extended: Any = Olmo3ForCausalLM(config)
    extended.load_state_dict(model.state_dict())
    extended.generation_config = model.generation_config
    return extended.to(model.device)


def yarn(*, theta: float, factor: float, original: int, fast: float, slow: float) -> dict[str, Any]:
    """The rotary settings of one kind of layer. Frequencies that turn more than `fast` times within the
    original context stay, those that turn fewer than `slow` times are divided by `factor`, those between are
    in between; attention is sharpened by 0.1 ln(factor) + 1."""
    return {
        "rope_type": "yarn",
        "rope_theta": theta,
        "factor": factor,
        "original_max_position_embeddings": original,
        "attention_factor": 0.1 * math.log(factor) + 1.0,
        "beta_fast": fast,
        "beta_slow": slow,
    }
