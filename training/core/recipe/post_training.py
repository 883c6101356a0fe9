"""The stages that a base model becomes an assistant by: SFT, DPO."""

from dataclasses import dataclass
from typing import Annotated, Literal

from training.core.bounds import Between
from training.core.errors import RecipeError
from training.core.order import Packing
from training.core.recipe.numbers import Count, Name, Positive, Rate, Share
from training.core.recipe.train import TrainRecipe


@dataclass(frozen=True)
class ThinkSftRecipe(TrainRecipe):
    """Think SFT: two epochs, 32K sequences, a million tokens a step, loss on the assistant's tokens."""

    epochs: Annotated[float, Between(0, 1000)] = 2.0
    sequence_length: Annotated[int, Between(8, 2**20)] = 32_768
    batch_size: Positive = 32
    packing: Packing = "whole"
    learning_rate: Rate = 5e-5
    final_learning_rate: Rate = 0.0
    schedule: Literal["cosine", "linear", "hold"] = "linear"
    warmup_steps: Count = 100
    weight_decay: Share = 0.0
    validation_store: Name = ""
    """Token store of conversations that are never trained on, and whose loss is told about ten times on the
    way (`validation_loss`); empty: none."""


@dataclass(frozen=True)
class InstructSftRecipe(ThinkSftRecipe):
    """Instruct SFT from the think SFT checkpoint: as think SFT, at 8e-5."""

    learning_rate: Rate = 8e-5


@dataclass(frozen=True)
class PairsRecipe:
    """Delta learning: pairs whose chosen answer is a stronger model's, the rejected one a weaker model's.
    What counts is the contrast between the two, not how good the chosen one is."""

    strong: Name = ""
    """Checkpoint that answers well; empty: the one that the stage starts from."""
    weak: Name = ""
    """Checkpoint that answers worse; empty: the first intermediate one of the stage before."""
    own_mistakes: bool = False
    """Reject the wrong answers of the checkpoint that the stage starts from, instead of a weaker one's."""
    questions: Positive = 600
    """Sums that both are asked, sampled at temperature 1; a pair needs a right answer and a wrong one."""
    held_out: Positive = 60
    """Pairs, of other sums, that are kept out of the store to measure pair accuracy on."""
    longest_difference: Count = 0
    """Pairs whose answers differ in length by more tokens are left out, so that length is not what is learned
    (100 in Olmo 3 Instruct); 0: none are."""
    shorter_by: Count = 0
    """Leave out pairs, too, whose chosen answer is not shorter by at least so many tokens, so that saying
    less is preferred; 0: none are."""

    def __post_init__(self) -> None:
        if self.weak and self.own_mistakes:
            raise RecipeError(
                f"pairs.weak is {self.weak!r} and pairs.own_mistakes is set: both say whose wrong answers "
                "are rejected; leave one of them out"
            )


@dataclass(frozen=True)
class ThinkDpoRecipe(TrainRecipe):
    """Length-normalised DPO of the think model: one epoch over 128 pairs a step, linear, 10 % warm-up."""

    beta: Annotated[float, Between(1e-6, 1e6)] = 5.0
    """How strongly the contrast with the model before counts."""
    pairs: PairsRecipe | None = None
    """How to make pairs of sums; None: the store that `store` names holds pairs."""
    sequence_length: Annotated[int, Between(8, 2**20)] = 16_384
    """Tokens of the longest answer with its prompt; what is longer is cut."""
    batch_size: Positive = 128
    packing: Packing = "pairs"
    learning_rate: Rate = 8e-8
    final_learning_rate: Rate = 0.0
    schedule: Literal["cosine", "linear", "hold"] = "linear"
    warmup_steps: Count = 0
    warmup_share: Share = 0.1
    weight_decay: Share = 0.0


@dataclass(frozen=True)
class InstructDpoRecipe(ThinkDpoRecipe):
    """DPO of the instruct model: as of the think model, at 1e-6 and with length control."""

    learning_rate: Rate = 1e-6
