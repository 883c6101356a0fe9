"""Answers from a model that is still in training: plain batched decoding, as evaluation needs it."""

# ruff: noqa: N806  (capitals at the end of a name are the array's shape)

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from tokenizers import Tokenizer

from training.core.chat import END_OF_TEXT, PAD, TURN_END
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
    model: Any, tokenizer: Tokenizer, prompts: Sequence[str], *, longest: int, sampled: bool = False
) -> list[str]:
    """A continuation of each prompt, of at most `longest` tokens, up to and without the end-of-turn or
    end-of-text token. Greedy, or sampled at temperature 1 from the whole vocabulary, with a seed of its
    own."""
    batches = [prompts[i : i + AT_ONCE] for i in range(0, len(prompts), AT_ONCE)]
    temperature = 1.0 if sampled else 0.0
    with torch.random.fork_rng():
        torch.manual_seed(SEED)
        return [
            answer.text
            for batch in batches
            for answer in answer_batch(model, tokenizer, batch, longest=longest, temperature=temperature)
        ]


@torch.no_grad()
def answer_batch(
    model: Any, tokenizer: Tokenizer, prompts: Sequence[str], *, longest: int, temperature: float = 0.0
) -> list[Answer]:
    """The same for prompts that fit into one batch; sampled from the whole vocabulary, with torch's random
    numbers, unless `temperature` is 0."""
    training = model.training
    model.eval()
    ends = [special_id(tokenizer, END_OF_TEXT), special_id(tokenizer, TURN_END)]
    rows = _continue(model, tokenizer, prompts, longest, temperature, ends)
    model.train(training)
    kept = [_until(row, ends) for row in rows]
    texts = tokenizer.decode_batch(kept, skip_special_tokens=False)
    return [
        Answer(text, len(ids), len(ids) < len(row)) for text, ids, row in zip(texts, kept, rows, strict=True)
    ]


def _continue(
    model: Any,
    tokenizer: Tokenizer,
    prompts: Sequence[str],
    longest: int,
    temperature: float,
    ends: Sequence[int],
) -> list[list[int]]:
    padding = special_id(tokenizer, PAD)
    ids = [encoding.ids for encoding in tokenizer.encode_batch(list(prompts), add_special_tokens=False)]
    width = max(map(len, ids))
    ids_BT = torch.tensor([[padding] * (width - len(row)) + row for row in ids], device=model.device)
    mask_BT = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in ids], device=model.device)
    choice: dict[str, Any] = {"do_sample": False}
    if temperature:
        choice = {"do_sample": True, "temperature": temperature, "top_k": 0, "top_p": 1.0}
    whole_BT = model.generate(
        input_ids=ids_BT,
        attention_mask=mask_BT,
        max_new_tokens=longest,
        eos_token_id=ends,
        pad_token_id=padding,
        **choice,
    )
    rows: list[list[int]] = whole_BT[:, width:].tolist()
    return rows


def _until(ids: list[int], ends: Sequence[int]) -> list[int]:
    """The ids before the first of `ends`."""
    return ids[: next((place for place, number in enumerate(ids) if number in ends), len(ids))]
