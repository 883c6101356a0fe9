"""Scores from rewards: means with their standard errors, and pass@k without bias."""

import math
from collections.abc import Sequence

Scores = dict[str, float]
PASSED = 1 - 1e-9
"""A reward that counts as right."""


def mean_and_error(values: Sequence[float]) -> tuple[float, float]:
    """The mean and its standard error, the items being the sample; no error can be said of one item, so 0."""
    mean = math.fsum(values) / len(values)
    if len(values) == 1:
        return mean, 0.0
    squares = math.fsum((value - mean) ** 2 for value in values)
    return mean, math.sqrt(squares / (len(values) - 1) / len(values))


def pass_at_k(samples: int, right: int, k: int) -> float:
    """The chance that at least one of k answers is right, from `right` of `samples`: 1 - C(n-c, k) / C(n, k),
    the unbiased estimate of Chen et al., arXiv 2107.03374, equation 1."""
    if not 1 <= k <= samples:
        raise ValueError(f"pass@{k} cannot be told from {samples} samples")
    return 1.0 - math.comb(samples - right, k) / math.comb(samples, k)


def sampled_scores(rewards: Sequence[Sequence[float]]) -> Scores:
    """Of several answers an item, shape [items][samples]: `sampled`, the mean reward, and `pass@k` for k = 1,
    2, 4 ... and the number of samples, each with its error."""
    samples = len(rewards[0])
    scores: Scores = {}
    put(scores, "sampled", [math.fsum(row) / samples for row in rewards])
    right = [sum(reward >= PASSED for reward in row) for row in rewards]
    for k in sorted({2**power for power in range(samples.bit_length())} | {samples}):
        put(scores, f"pass@{k}", [pass_at_k(samples, count, k) for count in right])
    return scores


def put(scores: Scores, name: str, values: Sequence[float]) -> None:
    """Adds a mean and its error, rounded to what can be meant."""
    mean, error = mean_and_error(values)
    scores[name], scores[f"{name}_error"] = round(mean, 6), round(error, 6)
