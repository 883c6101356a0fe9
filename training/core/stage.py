"""All that one training stage is made of."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tracing.core.stores.store import TokenStore
from training.core.checkpoints import Averaged, StoreRead
from training.core.evaluation.exam import Scores
from training.core.job import Job
from training.core.recipe import TrainRecipe


@dataclass(frozen=True)
class Stage:
    """Handed by a stage's script to `training.core.loop.train`."""

    job: Job
    recipe: TrainRecipe
    model: Any
    """`Olmo3ForCausalLM`, in fp32."""
    store: TokenStore
    tokenizer: Path
    padding: int
    """Id of the padding token."""
    chat: str
    """How its checkpoints are to be spoken to: plain or chatml."""
    evaluate: Callable[[bool], Scores]
    """Scores of the model as it is; True for the final checkpoint's full evaluation."""
    validate: Callable[[], Scores] | None = None
    """Of rows that are never learned: what is told beside the loss now and then."""
    reads: Callable[[int], tuple[StoreRead, ...]] | None = None
    """The stores that were trained on after so many steps, where that is not `store` alone."""
    before: Scores = field(default_factory=dict)
    """Scores of the model before the first step, of kinds that its parent was not measured by."""
    actor: str = ""
    """Of reinforcement learning: what samples the answers."""
    parents: tuple[str, ...] = ()
    averaged: tuple[Averaged, ...] = ()
    """The checkpoints whose mean `model` is, where it is one."""
    thinking: bool = False
    functions: bool = False
    """Whether its checkpoints' chat template has a place for functions."""
