"""The stages that make a base model."""

from dataclasses import dataclass, field
from typing import Annotated, Literal

from training.core.bounds import Between
from training.core.errors import RecipeError
from training.core.order import Packing
from training.core.recipe.numbers import Count, Name, Positive, Rate
from training.core.recipe.train import ModelRecipe, TrainRecipe


@dataclass(frozen=True)
class PretrainRecipe(TrainRecipe):
    """Pretraining: 5.93T tokens, cosine from 3e-4 to 3e-5."""

    tokens: Annotated[int, Between(0, 10**15)] = 5_930_000_000_000
    model: ModelRecipe = field(default_factory=ModelRecipe)

    def __post_init__(self) -> None:
        if self.adapter is not None:
            raise RecipeError("pretraining has no model to put an adapter on: leave pretrain.adapter out")


@dataclass(frozen=True)
class MidtrainRecipe(TrainRecipe):
    """Midtraining: 100B tokens, linear from 2.074e-4 to zero."""

    runs: Annotated[int, Between(1, 16)] = 1
    """Runs from the same checkpoint, each with an order of its own (the seeds are `seed`, `seed` + 1, ...),
    whose weights are averaged. Olmo 3 7B: one, 32B: two."""
    tokens: Annotated[int, Between(0, 10**15)] = 100_000_000_000
    batch_size: Positive = 256
    learning_rate: Rate = 2.074e-4
    final_learning_rate: Rate = 0.0
    schedule: Literal["cosine", "linear", "hold"] = "linear"
    warmup_steps: Count = 0


@dataclass(frozen=True)
class MicroannealRecipe(MidtrainRecipe):
    """A microanneal: 5B tokens of a candidate data set with 5B of web text, against 10B of web text alone."""

    candidate: Name = ""
    """Token store of the data set in question. `store` is the web text; empty: what the flow was pretrained
    on."""
    candidate_share: Annotated[float, Between(0.001, 0.999)] = 0.5
    """Part of the sequences that are the candidate's."""
    tasks: tuple[str, ...] = ()
    """JSONL files of held-out problems. Empty: `held_out_problems` held-out sums, each as a question and as a
    lesson to go on with."""
    samples: Annotated[int, Between(1, 1024)] = 4
    """Answers to each problem at temperature 1; more make the verdict sharper."""
    tokens: Annotated[int, Between(0, 10**15)] = 10_000_000_000
    checkpoints: Annotated[int, Between(0, 1000)] = 0
    held_out_problems: Annotated[int, Between(0, 100_000)] = 1000


@dataclass(frozen=True)
class LongContextRecipe(TrainRecipe):
    """Long-context extension: YaRN on the full-attention layers, 50B tokens, a third of them long documents,
    linear from 2.074e-4 to zero."""

    branch: bool = False
    """Whether the flow goes on from the stage before: this one is then a branch of its own, run last. Olmo 3
    goes on from here."""
    short_store: Name = ""
    """Token store of the short documents among them; empty: what the flow was midtrained on."""
    long_share: Annotated[float, Between(0.001, 0.999)] = 0.34
    """Part of the sequences that are `store`'s long documents. The reverse, 66 %, costs short tasks 2.5
    points, this 0.8."""
    original_context: Count = 0
    """Tokens that the checkpoint before was trained at, which YaRN stretches to `sequence_length`; 0: what
    its configuration says."""
    yarn_beta_fast: Annotated[float, Between(1, 1000)] = 32.0
    """Rotations within the original context above which a frequency is left as it is."""
    yarn_beta_slow: Annotated[float, Between(0.01, 1000)] = 1.0
    """Rotations below which a frequency is divided by the whole factor."""
    average_last: Annotated[int, Between(1, 16)] = 1
    """The last so many checkpoints, the one after the last step among them, are averaged. Olmo 3 32B:
    three."""
    probes: Annotated[int, Between(0, 10_000)] = 100
    """Held-out documents of each kind (needle, counting, copying, loss by position) at each length."""
    tokens: Annotated[int, Between(0, 10**15)] = 50_000_000_000
    sequence_length: Annotated[int, Between(8, 2**20)] = 65_536
    batch_size: Positive = 64
    packing: Packing = "best-fit"
    learning_rate: Rate = 2.074e-4
    final_learning_rate: Rate = 0.0
    schedule: Literal["cosine", "linear", "hold"] = "linear"
    warmup_steps: Count = 200
