"""Answers from a model that is still in training: plain batched decoding, as evaluation needs it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from tokenizers import Tokenizer

from training.core.chat import END_OF_TEXT, TURN_END
from training.core.decoding import decode
from training.core.tokenizer import special_id

AT_ONCE = 320  # prompts in a batch
SEED = 1


@dataclass(frozen=True)
class Answer:
    """A continuation as text, without the token that ended it."""

    text: str
    tokens: int
    ended: bool
    """The model ended it; False where its length did."""


def generate(
    model: Any,
    tokenizer: Tokenizer,
    prompts: Sequence[str],
    *,
    longest: int,
    sampled: bool = False,
    seed: int = SEED,
) -> list[str]:
    """A continuation of each prompt, of at most `longest` tokens, up to and without the end-of-turn or
    end-of-text token. Greedy, or sampled at temperature 1 from the whole vocabulary, with `seed`,
    whatever was drawn before."""
    batches = [prompts[i : i + AT_ONCE] for i in range(0, len(prompts), AT_ONCE)]
    temperature = 1.0 if sampled else 0.0
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return [
            answer.text
            for batch in batches
            for answer in answer_batch(model, tokenizer, batch, longest=longest, temperature=temperature)
        ]


def answer_batch(
    model: Any, tokenizer: Tokenizer, prompts: Sequence[str], *, longest: int, temperature: float = 0.0
) -> list[Answer]:
    """The same for prompts that fit into one batch; sampled from the whole vocabulary, with torch's random
    numbers, unless `temperature` is 0."""
    training = model.training
    model.eval()
    ends = [special_id(tokenizer, END_OF_TEXT), special_id(tokenizer, TURN_END)]
    ids = [encoding.ids for encoding in tokenizer.encode_batch(list(prompts), add_special_tokens=False)]
    found = decode(model, ids, longest=longest, ends=ends, temperature=temperature)
    model.train(training)
    rows = [answer.ids for [answer] in found]
    kept = [_until(row, ends) for row in rows]
    texts = tokenizer.decode_batch(kept, skip_special_tokens=False)
    return [
        Answer(text, len(ids), len(ids) < len(row)) for text, ids, row in zip(texts, kept, rows, strict=True)
    ]


def _until(ids: Sequence[int], ends: Sequence[int]) -> list[int]:
    """The ids before the first of `ends`."""
    return list(ids[: next((place for place, number in enumerate(ids) if number in ends), len(ids))])
