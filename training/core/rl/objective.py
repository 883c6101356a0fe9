"""OlmoRL's objective (Olmo 3, section 5.4): GRPO with token-level loss, clip-higher and truncated importance
sampling, without a KL term or a division by the standard deviation."""

# ruff: noqa: N803, N806  (capitals at the end of a name are the array's shape)

from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Clipping:
    """How far a step may go: ratios of new to old probability count between 1 - low and 1 + high, those of
    the learner's to the engine's up to `engine`."""

    low: float = 0.2
    high: float = 0.272
    engine: float = 2.0


def olmo_rl_loss(
    now_N: torch.Tensor,
    old_N: torch.Tensor,
    engine_N: torch.Tensor,
    advantages_N: torch.Tensor,
    clipping: Clipping,
) -> torch.Tensor:
    """Minus the mean over all tokens of `min(pi_old / pi_engine, rho) min(r A, clip(r) A)`, with
    `r = pi_now / pi_old`.

    Log-probabilities of the sampled tokens of all answers, one after the other: the policy's now, with its
    gradient; as it was when the batch was collected; and as the engine that sampled them had it. Every token
    has its answer's advantage and counts the same, however long its answer is.
    """
    ratio_N = (now_N - old_N).exp()
    trusted_N = (old_N - engine_N).exp().clamp(max=clipping.engine)
    clipped_N = ratio_N.clamp(1 - clipping.low, 1 + clipping.high)
    gains_N = torch.minimum(ratio_N * advantages_N, clipped_N * advantages_N)
    return -(trusted_N * gains_N).mean()
