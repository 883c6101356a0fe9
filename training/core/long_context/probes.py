"""What a model makes of text that is far back: retrieval, counting, copying and loss, by length.

Measured without generating: at every token of an answer, is the right one the likeliest? An answer is right
if all its tokens are, which is when greedy decoding would have written it. So the figures are of the very
model, comparable before and after, and cost one forward pass a text.
"""

# ruff: noqa: N806  (capitals at the end of a name are the array's shape)

import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import takewhile
from typing import Any

import torch
from tokenizers import Tokenizer

from training.core.chat import token_range
from training.core.evaluation.exam import Scores
from training.core.long_context.texts import LongText, Maker, copying, counting, needle
from training.core.model import autocast

SEED = 2048  # of no data set: prepare's are seeded with texts
SHORTEST = 128
COPIED_FROM = 8  # tokens of a copy before which nothing says yet that it is one
TRIES = 20
MAKERS: dict[str, Maker] = {"needle": needle, "count": counting, "copy": copying}


@dataclass(frozen=True)
class Probe:
    """A text in tokens, and `[start, end)` of the tokens of its answers."""

    ids: list[int]
    answers: list[tuple[int, int]]


def lengths_up_to(longest: int) -> list[int]:
    """The lengths that a model is measured at: `longest`, and halves of it down to SHORTEST."""
    halved = takewhile(lambda length: length >= SHORTEST, (longest >> power for power in range(20)))
    return sorted(halved) or [longest]


def make_probes(
    kind: str, tokenizer: Tokenizer, passages: Sequence[str], length: int, number: int
) -> list[Probe]:
    """Texts of one kind, of nine tenths of `length` to `length` tokens: the same for everyone with these
    passages. Fewer where the passages do not make texts of that length."""
    rng = random.Random(f"{SEED} {kind} {length}")
    characters = 4.0 * length
    probes: list[Probe] = []
    for _ in range(TRIES + 2 * number):
        if len(probes) == number:
            break
        made = probe_of(MAKERS[kind](rng, passages, int(characters)), tokenizer)
        if 0.9 * length <= len(made.ids) <= length:
            probes.append(made)
        else:
            characters *= 0.96 * length / len(made.ids)
    return probes


def probe_of(made: LongText, tokenizer: Tokenizer) -> Probe:
    encoding = tokenizer.encode(made.text, add_special_tokens=False)
    return Probe(encoding.ids, [token_range(encoding.offsets, *answer) for answer in made.answers])


def long_scores(
    model: Any, tokenizer: Tokenizer, passages: Sequence[str], *, longest: int, number: int
) -> Scores:
    """`needle@N`, `count@N` and `copy@N` for each length N up to `longest`: shares of answers that are right,
    of copies the share of tokens. `loss@N`: mean negative log-likelihood of the tokens in the second half of
    N, in nats, over the needle and copy texts."""
    scores: Scores = {}
    measure = partial(measure_kind, model, tokenizer, passages, number=number)
    for length in lengths_up_to(longest):
        losses: list[float] = []
        for kind in MAKERS:
            rewards, nll = measure(kind, length)
            if rewards:
                scores[f"{kind}@{length}"] = sum(rewards) / len(rewards)
            losses += nll if kind != "count" else []
        if losses:
            scores[f"loss@{length}"] = sum(losses) / len(losses)
    return scores


def measure_kind(
    model: Any, tokenizer: Tokenizer, passages: Sequence[str], kind: str, length: int, *, number: int
) -> tuple[list[float], list[float]]:
    """For each answer of `number` texts whether it is right (of a copy the share of right tokens), and each
    text's loss in the second half of `length`."""
    rewards, losses = list[float](), list[float]()
    for probe in make_probes(kind, tokenizer, passages, length, number):
        right_T, nll_T = read(model, probe.ids)
        for start, end in probe.answers:
            own = right_T[start + (COPIED_FROM if kind == "copy" else 0) : end]
            if len(own):
                rewards.append(float(own.float().mean() if kind == "copy" else own.all()))
        losses.append(float(nll_T[length // 2 :].mean()))
    return rewards, losses


@torch.no_grad()
def read(model: Any, ids: Sequence[int]) -> tuple[torch.Tensor, torch.Tensor]:
    """For each token whether it was the likeliest, and its negative log-likelihood, both of shape [T]; of the
    first, which nothing precedes, False and 0."""
    training = model.training
    model.eval()
    ids_BT = torch.tensor([list(ids)], device=model.device)
    with autocast():
        logits_TV = model(ids_BT, use_cache=False).logits[0, :-1].float()
    model.train(training)
    next_T = ids_BT[0, 1:]
    nll_T = torch.nn.functional.cross_entropy(logits_TV, next_T, reduction="none")
    right_T = logits_TV.argmax(-1) == next_T
    return (
        torch.cat([right_T.new_zeros(1), right_T]).cpu(),
        torch.cat([nll_T.new_zeros(1), nll_T]).cpu(),
    )
