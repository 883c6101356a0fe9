"""What a run makes of its machine: model FLOPs utilisation, memory, and what a token costs."""

import resource
from dataclasses import dataclass
from typing import Any

import torch

# Dense bf16 FLOP/s of one device, by what its name contains, as the makers' data sheets have them; the first
# that fits counts.
PEAKS = {
    "B200": 2250e12,
    "H200": 989e12,
    "H100 PCIe": 756e12,
    "H100 NVL": 835e12,
    "H100": 989e12,
    "A100": 312e12,
    "L40S": 362e12,
    "L4": 121e12,
    "A10": 125e12,
    "RTX 4090": 165e12,
    "MI300X": 1307e12,
}


@dataclass(frozen=True)
class Gauge:
    """The work of a token, and the most that all devices of the job together can do; 0: not known."""

    flops_a_token: float
    peak_flops: float

    def mfu(self, tokens_per_s: float) -> float | None:
        """Model FLOPs utilisation (PaLM, appendix B), or None where the peak is not known."""
        return tokens_per_s * self.flops_a_token / self.peak_flops if self.peak_flops else None

    def line(self, tokens_per_s: float) -> dict[str, float]:
        """What a line of metrics says of the machine."""
        mfu = self.mfu(tokens_per_s)
        return {"memory_bytes": memory_bytes()} | ({} if mfu is None else {"mfu": round(mfu, 4)})


def new_gauge(model: Any, sequence_length: int, *, devices: int, peak_tflops: float = 0.0) -> Gauge:
    """For a model on so many devices. `peak_tflops` of one device overrides what is known by its name; a
    processor has none, since what it can do in bf16 differs too much with the kernels."""
    peak = peak_tflops * 1e12 or known_peak()
    return Gauge(flops_a_token(model, sequence_length), peak * devices)


def flops_a_token(model: Any, sequence_length: int) -> float:
    """Forward and backward: 6 for each weight that is trained and 4 for each frozen one, the input
    embedding's left out, since it is only looked up; and 12 x heads x head size for each token that a layer
    attends to, without a discount for the causal mask. What activation checkpointing computes again does not
    count."""
    config = model.config
    weights = sum(
        (6.0 if parameter.requires_grad else 4.0) * parameter.numel()
        for name, parameter in model.named_parameters()
        if "embed_tokens" not in name or config.tie_word_embeddings
    )
    seen = sum(
        min(sequence_length, config.sliding_window) if kind == "sliding_attention" else sequence_length
        for kind in config.layer_types
    )
    head_size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    return float(weights + 12.0 * config.num_attention_heads * head_size * seen)


def known_peak() -> float:
    """Dense bf16 FLOP/s of this process's GPU; 0 where there is none or its name is not known."""
    if not torch.cuda.is_available():
        return 0.0
    return peak_of(torch.cuda.get_device_name())


def peak_of(name: str) -> float:
    return next((peak for part, peak in PEAKS.items() if part in name), 0.0)


def memory_bytes() -> int:
    """The most that this process has used so far: on its GPU where it has one, else of the machine."""
    if torch.cuda.is_available():
        return int(torch.cuda.max_memory_allocated())
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
