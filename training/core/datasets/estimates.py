"""What a fine-tune will take, from the model's size and the tokens: time, memory, GPU-hours.

A training token costs 6 floating-point operations a parameter (2 forward, 4 backward; Kaplan et al. 2020,
arXiv 2001.08361, section 2.1). Memory is 16 bytes a parameter in fp32 (weights, gradients, AdamW's two means)
and the activations of one step, 34 values of 2 bytes a token, width and layer where they are kept in bf16
(Korthikanti et al. 2022, arXiv 2205.05198, without the attention matrix, which is not kept), doubled in fp32,
and the logits with their gradient.
"""

from dataclasses import asdict, dataclass
from typing import Any

TRAINING_FLOPS, FORWARD_FLOPS = 6, 2
BYTES_A_PARAMETER = 16
ACTIVATION_BYTES = 68
LOGIT_BYTES = 8
GPU_FLOPS = 989e12
"""Peak of one H100 in bf16, without sparsity."""
GPU_UTILISATION = 0.4


@dataclass(frozen=True)
class ModelSize:
    """What the estimate needs to know of a model."""

    parameters: int
    hidden_size: int
    layers: int
    vocabulary: int


@dataclass(frozen=True)
class Work:
    """What is to be done: `kind` is that of the data set (chat, preference, prompt)."""

    kind: str
    tokens: int
    """Of the data set, seen once."""
    epochs: float
    sequence_length: int
    batch_size: int
    """Sequences in a step; pairs of a preference data set, prompts of a prompt data set."""
    documents: int = 0
    answers: int = 8
    """Of reinforcement: to each prompt."""
    answer_tokens: int = 256


@dataclass(frozen=True)
class Estimate:
    """Rough figures; `basis` says where the speed is from."""

    tokens: int
    flops: float
    memory_bytes: int
    gpu_hours: float
    seconds: float | None
    """On this machine; None where no job here has been measured."""
    basis: str

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def estimate(size: ModelSize, work: Work, flops_per_s: float | None) -> Estimate:
    """What the work takes. `flops_per_s` is what earlier jobs of this machine reached, if any."""
    tokens = round(work.epochs * tokens_trained(work))
    flops = float(tokens) * size.parameters * flops_a_parameter(work.kind)
    return Estimate(
        tokens=tokens,
        flops=flops,
        memory_bytes=memory_bytes(size, work),
        gpu_hours=flops / (GPU_FLOPS * GPU_UTILISATION) / 3600,
        seconds=flops / flops_per_s if flops_per_s else None,
        basis="the speed of earlier jobs here" if flops_per_s else "no job here has been measured yet",
    )


def tokens_trained(work: Work) -> int:
    """In one pass: reinforcement trains on answers to each prompt, each behind its prompt."""
    if work.kind == "prompt":
        return work.answers * (work.tokens + work.documents * work.answer_tokens)
    return work.tokens


def flops_a_parameter(kind: str) -> int:
    """A preference is read by the reference model too; an answer of reinforcement is first sampled, and its
    log-probabilities computed."""
    passes = {"chat": 0, "preference": 1, "prompt": 2}
    return TRAINING_FLOPS + passes[kind] * FORWARD_FLOPS


def memory_bytes(size: ModelSize, work: Work) -> int:
    """Of one process that trains the whole model: states, the reference model, one step's activations."""
    sequences = work.batch_size * {"chat": 1, "preference": 2, "prompt": work.answers}[work.kind]
    tokens = sequences * work.sequence_length
    reference = 4 * size.parameters if work.kind == "preference" else 0
    activations = tokens * (ACTIVATION_BYTES * size.hidden_size * size.layers + LOGIT_BYTES * size.vocabulary)
    return BYTES_A_PARAMETER * size.parameters + reference + activations
