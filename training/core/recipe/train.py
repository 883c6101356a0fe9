"""What all stages that train can be told, and the shape of what they train."""

from dataclasses import dataclass
from typing import Annotated, Literal

from training.core.bounds import Between
from training.core.order import Packing
from training.core.recipe.numbers import Count, Name, Positive, Rate, Share


@dataclass(frozen=True)
class ModelRecipe:
    """The shape of an `Olmo3ForCausalLM`; QK-norm and norms on the sub-layers' outputs are part of it."""

    hidden_size: Positive = 4096
    """Width of the residual stream."""
    intermediate_size: Positive = 11008
    """Width of the SwiGLU layers."""
    layers: Positive = 32
    """Decoder layers; of every four, three attend within the sliding window and the last to everything."""
    heads: Positive = 32
    """Query heads."""
    kv_heads: Positive = 32
    """Key and value heads."""
    sliding_window: Positive = 4096
    """Tokens that a sliding layer sees."""
    context: Positive = 8192
    """Longest sequence in tokens that the checkpoint says it takes."""
    rope_theta: Annotated[float, Between(1, 1e9)] = 500_000.0
    """Base of the rotary position embedding."""
    embedding_std: Annotated[float, Between(0, 10)] = 0.02
    """Standard deviation of the embeddings at the start. The demo's 1.0 learns several times faster at its
    size."""
    tied: bool = False
    """Whether the output head shares the embedding's weights."""


@dataclass(frozen=True)
class AdapterRecipe:
    """LoRA: low-rank matrices beside the linear layers, which learn while all else is frozen."""

    rank: Annotated[int, Between(1, 1024)] = 16
    """Columns of each matrix: the larger, the more it can learn, and the more it weighs."""
    alpha: Annotated[int, Between(1, 4096)] = 32
    """What the adapter adds is multiplied by alpha / rank."""
    dropout: Annotated[float, Between(0, 0.9)] = 0.0
    """Share of a layer's inputs that the adapter does not see in a training step."""
    targets: tuple[str, ...] = ()
    """Names of the layers that get one, such as q_proj; empty: all linear layers but the output head."""


@dataclass(frozen=True)
class TrainRecipe:
    """What all stages that train have in common."""

    store: Name = ""
    """Token store to train on; empty: the flow's own for this stage."""
    seed: Count = 0
    """Seed of the data order (and, in pretraining, of the weights)."""
    epochs: Annotated[float, Between(0, 1000)] = 1.0
    """Times that every document is seen."""
    tokens: Annotated[int, Between(0, 10**15)] = 0
    """Train on this many tokens instead of `epochs`; 0: go by epochs."""
    sequence_length: Annotated[int, Between(8, 2**20)] = 8192
    """Tokens in a sequence."""
    batch_size: Positive = 512
    """Sequences in a step."""
    micro_batch_size: Count = 0
    """Sequences (in DPO, pairs) that a process takes at a time; 0: its whole part of the step. Fewer need
    less memory and give the same step."""
    activation_checkpointing: bool = False
    """Compute each layer again on the way back instead of keeping what it computed: less memory, a third more
    work."""
    packing: Packing = "split"
    """Whether documents are cut at the end of a sequence, kept whole, kept whole and sorted into sequences so
    that little room is left (best-fit), read two by two (DPO, where `batch_size` counts pairs), or made as
    they are read (RL, where it counts prompts)."""
    learning_rate: Rate = 3e-4
    """Peak learning rate of AdamW."""
    final_learning_rate: Rate = 3e-5
    """Learning rate after the last step."""
    schedule: Literal["cosine", "linear", "hold"] = "cosine"
    """Way from peak to final: cosine, linear, or held for 60 % of the steps and then linear."""
    warmup_steps: Count = 2000
    """Steps from zero to the peak."""
    warmup_share: Share = 0.0
    """Part of all steps from zero to the peak, instead of `warmup_steps`; 0: go by those."""
    beta1: Share = 0.9
    """AdamW's decay of the mean gradient."""
    beta2: Share = 0.95
    """AdamW's decay of the mean squared gradient."""
    weight_decay: Share = 0.1
    """AdamW's decay of matrices; embeddings and norms have none."""
    clip: Annotated[float, Between(1e-6, 1e6)] = 1.0
    """Norm that gradients are clipped to."""
    z_loss: Share = 1e-5
    """Weight of the squared log-normaliser in the loss."""
    attention: Literal["sdpa", "eager"] = "sdpa"
    """Kernel of training: on CPU and at a few hundred tokens, eager was 10 to 25 % faster."""
    checkpoints: Annotated[int, Between(0, 1000)] = 3
    """Intermediate checkpoints to publish, evenly spaced; the final one comes on top."""
    held_out: Annotated[int, Between(0, 100_000)] = 0
    """Documents of the store (of DPO, pairs) that are kept out of training, to measure the model on."""
    held_out_problems: Annotated[int, Between(0, 100_000)] = 300
    """Held-out sums that the final checkpoint is evaluated on, greedily and sampled; 0: no evaluation."""
    intermediate_problems: Annotated[int, Between(0, 100_000)] = 0
    """The same for intermediate checkpoints, greedily only."""
    save_s: Annotated[float, Between(0, 86_400)] = 15.0
    """Seconds between saved states, from which a killed stage goes on."""
    threads: Annotated[int, Between(0, 4096)] = 0
    """Threads to compute with on a CPU, of those that the job is given; 0: all. Small batches cost less
    processor time on one, and leave the others to whoever chats meanwhile."""
    planned_s: Count = 0
    """Seconds the stage is expected to take, for a first estimate."""
    adapter: AdapterRecipe | None = None
    """Train a LoRA adapter of this shape; None: all weights."""
