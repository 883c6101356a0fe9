"""How the loop computes with the model, alone or divided among processes."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch

from training.core.model import autocast
from training.core.parallel.sharding import gathered, shard
from training.core.stage import Stage

Compute = Callable[[Callable[[], Any]], Any]


def new_compute(stage: Stage) -> Compute:
    """What runs a function that computes with the stage's model: in bf16 where that is fast, and with the
    model divided among the processes where there are several. Prepares the model for it."""
    model, recipe = stage.model, stage.recipe
    model.set_attn_implementation(recipe.attention)
    if recipe.activation_checkpointing:
        model.gradient_checkpointing_enable({"use_reentrant": False})
    if stage.job.world.size > 1:
        shard(model, stage.job.world)

    def compute(function: Callable[[], Any]) -> Any:
        with autocast():
            return model.compute(function) if stage.job.world.size > 1 else function()

    return compute


def clip(model: torch.nn.Module, most: float) -> float:
    """Clip the gradients of what is trained by their global norm, and say what that was."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    norm: Any = torch.nn.utils.clip_grad_norm_(trained, most)
    # FSDP2 gives it as a tensor of parts.
    return float((norm.full_tensor() if hasattr(norm, "full_tensor") else norm).item())


def whole_model(stage: Stage) -> AbstractContextManager[None]:
    """Inside, the model can be called as it is, to measure it."""
    return gathered(stage.model) if stage.job.world.size > 1 else nullcontext()
