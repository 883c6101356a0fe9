"""AdamW as Olmo 3 uses it, and the learning-rate schedules."""

import math

import torch
from torch import nn

from training.core.recipe import TrainRecipe

HELD_SHARE = 0.6  # of the steps, in the "hold" schedule
MOMENTS = ("step", "exp_avg", "exp_avg_sq")
"""What AdamW keeps of a parameter, by torch's names."""


def new_optimizer(model: nn.Module, recipe: TrainRecipe) -> torch.optim.AdamW:
    """Weight decay on matrices, none on embeddings and norms. Each parameter has its moments from the start:
    a state that is saved before all of them were moved is whole."""
    named = [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]
    decayed = [p for name, p in named if p.ndim == 2 and "embed_tokens" not in name]
    kept = [p for name, p in named if p.ndim != 2 or "embed_tokens" in name]
    groups = [
        {"params": decayed, "weight_decay": recipe.weight_decay},
        {"params": kept, "weight_decay": 0.0},
    ]
    betas = (recipe.beta1, recipe.beta2)
    optimizer = torch.optim.AdamW(groups, lr=recipe.learning_rate, betas=betas, fused=True)
    for _, parameter in named:
        zeros = (torch.zeros_like(parameter, memory_format=torch.preserve_format) for _ in range(2))
        step = torch.zeros((), dtype=torch.float32, device=parameter.device)
        optimizer.state[parameter] = dict(zip(MOMENTS, (step, *zeros), strict=True))
    return optimizer


def learning_rate(recipe: TrainRecipe, step: int, steps: int) -> float:
    """The rate for `step` out of `steps`: a linear warm-up times the schedule."""
    warmup_steps = math.ceil(recipe.warmup_share * steps) or recipe.warmup_steps
    warm = min(1.0, (step + 1) / warmup_steps) if warmup_steps else 1.0
    part = step / steps
    peak, final = recipe.learning_rate, recipe.final_learning_rate
    if recipe.schedule == "cosine":
        return warm * (final + (peak - final) * 0.5 * (1 + math.cos(math.pi * part)))
    left = min(1.0, (1 - part) / (1 - HELD_SHARE)) if recipe.schedule == "hold" else 1 - part
    return warm * (final + (peak - final) * left)


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = rate
