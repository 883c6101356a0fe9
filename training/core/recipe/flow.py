"""A whole flow."""

from dataclasses import dataclass
from typing import Annotated

from training.core.bounds import Between
from training.core.recipe.base import LongContextRecipe, MicroannealRecipe, MidtrainRecipe, PretrainRecipe
from training.core.recipe.post_training import (
    InstructDpoRecipe,
    InstructSftRecipe,
    ThinkDpoRecipe,
    ThinkSftRecipe,
)
from training.core.recipe.prepare import PrepareRecipe
from training.core.recipe.reinforcement import RlvrRecipe, RlZeroRecipe


@dataclass(frozen=True)
class FlowRecipe:
    """A whole flow. A part that a recipe file leaves out is not run, except that a flow has to begin
    somewhere."""

    name: Annotated[str, Between(1, 40)]
    """Prefix of everything the flow publishes."""
    pretrain: PretrainRecipe
    midtrain: MidtrainRecipe
    think_sft: ThinkSftRecipe
    instruct_sft: InstructSftRecipe
    microanneal: MicroannealRecipe | None = None
    long_context: LongContextRecipe | None = None
    think_dpo: ThinkDpoRecipe | None = None
    instruct_dpo: InstructDpoRecipe | None = None
    think_rlvr: RlvrRecipe | None = None
    instruct_rlvr: RlvrRecipe | None = None
    rl_zero: RlZeroRecipe | None = None
    rl_zero_spurious: RlZeroRecipe | None = None
    prepare: PrepareRecipe | None = None
    """None: the stores are there already (imported corpora)."""
