"""What a flow and its stages can be told: frozen dataclasses whose defaults are Olmo 3 7B's own figures.

The demo is the same code with smaller numbers (`training/recipes/demo.toml`). Figures: "Olmo 3", arXiv
2512.13961v2. `recipe_files` reads and checks them.
"""

from dataclasses import dataclass, field
from typing import Annotated, Literal

from training.core.bounds import Between
from training.core.errors import RecipeError
from training.core.order import Packing

Count = Annotated[int, Between(0, 10**9)]
Positive = Annotated[int, Between(1, 10**9)]
Share = Annotated[float, Between(0, 1)]
Rate = Annotated[float, Between(0, 10)]
Name = Annotated[str, Between(0, 60)]


@dataclass(frozen=True)
class PrepareRecipe:
    """The demo's corpus: the running interpreter's standard library and generated arithmetic."""

    vocabulary_size: Annotated[int, Between(320, 2**16 - 2)] = 4096
    """Entries of the tokenizer that is trained; a multiple of 64 keeps the matrices well shaped."""
    seed: Count = 0
    """Seeds the generators. Another seed is another corpus."""
    modules: tuple[str, ...] = ()
    """Modules of the library to take; empty: all of them."""
    longest_source: Count = 1500
    """Source of functions of at most this many characters is pretrained on; 0: no source."""
    low: Count = 10
    """Smallest number in a sum."""
    high: Annotated[int, Between(1, 99)] = 99
    """Largest number in a sum."""
    lessons: Positive = 9000
    """Arithmetic documents in pretraining, of two to four problems."""
    exercises: Positive = 4000
    """Arithmetic questions with worked answers in midtraining."""
    think_examples: Positive = 2000
    """Arithmetic questions answered in <think>."""
    think_phrasings: Count = 2
    """Ways of asking about each function of the library in think SFT; 0: think knows arithmetic only."""
    library_questions: Positive = 300
    """Functions of the library that the models shall know, the best known first."""
    midtrain_phrasings: Count = 3
    """Ways of asking about each of them in midtraining."""
    instruct_phrasings: Positive = 6
    """Ways of asking about each of them in instruct SFT."""
    instruct_arithmetic: Share = 0.3
    """Part of the instruct examples that are arithmetic, so that it is not forgotten."""
    restated: Share = 0.0
    """Part of those whose answer says the sum once more before it works it out: what length control can
    shorten."""
    follow_ups: Share = 0.1
    """Part of the SFT examples that come after another question and answer."""
    small_talk: Count = 2
    """Times that greetings and the like stand in each SFT store."""
    long_documents: Count = 0
    """Documents that are made to be long: needles, counts and repetitions, for the stage long-context, which
    gets the library's modules as well; 0: no store for it."""
    longest_document: Annotated[int, Between(64, 2**20)] = 2048
    """Tokens of the longest of them, about."""
    planned_s: Count = 30
    """Seconds the stage is expected to take, for a first estimate."""


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
    planned_s: Count = 0
    """Seconds the stage is expected to take, for a first estimate."""
    adapter: AdapterRecipe | None = None
    """Train a LoRA adapter of this shape; None: all weights."""


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
