"""The stages that learn from verified answers: RLVR and RL-Zero."""

from dataclasses import dataclass
from typing import Annotated, Literal

from training.core.bounds import Between
from training.core.order import Packing
from training.core.recipe.numbers import Count, Name, Positive, Rate, Share
from training.core.recipe.train import TrainRecipe


@dataclass(frozen=True)
class PromptSource:
    """Where a share of the prompts comes from."""

    store: Name = ""
    """Token store of prompts, whose metadata names their verifiers; empty: sums that are not held out."""
    weight: Annotated[float, Between(1e-6, 1e6)] = 1.0
    """How often it is drawn from, against the other sources."""


@dataclass(frozen=True)
class RlvrRecipe(TrainRecipe):
    """OlmoRL: 64 prompts a step, 8 answers each, temperature 1, constant 1e-6, no KL term."""

    steps: Positive = 1400
    """Updates; each is of one batch of fresh answers."""
    answers: Annotated[int, Between(2, 1024)] = 8
    """Answers to each prompt, which are compared with each other."""
    longest_answer: Positive = 32_768
    """Tokens after which an answer is cut."""
    active: bool = True
    """Ask on until all prompts of the batch carry a signal (active sampling); false: plain GRPO."""
    rounds: Positive = 8
    """Times that a batch asks on, at most."""
    solved: Share = 0.875
    """A prompt solved in this share of its answers is not drawn again."""
    clip_low: Share = 0.2
    """How far a token's probability may fall in a step for it to count, as a share."""
    clip_high: Share = 0.272
    """How far it may rise: more than it may fall, so that rare tokens can come up."""
    sources: tuple[PromptSource, ...] = ()
    """Where prompts come from; none: the store that `store` names, or sums where it names none."""
    easy: Share = 0.625
    """Prompts of stores that the start solves in more than this share of its answers are left out before
    training, which takes a pass over all of them; 1: no pass."""
    actor: Literal["auto", "engine", "process"] = "auto"
    """What samples the answers: a vLLM engine that runs beside training, or the training process itself;
    auto: vLLM where there is a GPU, vLLM is installed and takes the model."""
    staleness: Annotated[int, Between(0, 1000)] = 8
    """Answers of an engine that may be from weights more steps behind than this are dropped; 0: the engine
    waits for each step, and each step for it."""
    ahead: Annotated[int, Between(1, 64)] = 2
    """Batches of prompts that an engine has in the air or waiting at a time."""
    trust: Annotated[float, Between(1, 100)] = 2.0
    """Cap of the ratio of the learner's probabilities to the engine's (truncated importance sampling)."""
    batch_size: Positive = 64
    learning_rate: Rate = 1e-6
    final_learning_rate: Rate = 1e-6
    schedule: Literal["cosine", "linear", "hold"] = "linear"
    packing: Packing = "rollouts"
    warmup_steps: Count = 0
    weight_decay: Share = 0.0


@dataclass(frozen=True)
class RlZeroRecipe(RlvrRecipe):
    """RL-Zero: RLVR of a base model, asked in its own plain form, answers of up to 16K tokens."""

    longest_answer: Positive = 16_384
