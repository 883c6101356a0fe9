"""Answers from a model that is still in training: plain batched decoding, as evaluation needs it."""

# ruff: noqa: N806  (capitals at the end of a name are the array's shape)

from collections.abc import Sequence
from typing import Any

import torch
from tokenizers import Tokenizer

from training.core.chat import END_OF_TEXT, PAD, TURN_END
from training.core.tokenizer import special_id

AT_ONCE = 320  # prompts in a batch
SEED = 1


@torch.no_grad()
def generate(
    model: Any, tokenizer: Tokenizer, prompts: Sequence[str], *, longest: int, sampled: bool = False
) -> list[str]:
    """A continuation of each prompt, of at most `longest` tokens, up to and without the end-of-turn or
    end-of-text token. Greedy, or sampled at temperature 1 from the whole vocabulary, with a seed of its
    own."""
    training = model.training
    model.eval()
    with torch.random.fork_rng():
        torch.manual_seed(SEED)
        batches = [prompts[i : i + AT_ONCE] for i in range(0, len(prompts), AT_ONCE)]
        texts = [text for batch in batches for text in _continue(model, tokenizer, batch, longest, sampled)]
    model.train(training)
    return texts


def _continue(
    model: Any, tokenizer: Tokenizer, prompts: Sequence[str], longest: int, sampled: bool
) -> list[str]:
    padding = special_id(tokenizer, PAD)
    ids = [encoding.ids for encoding in tokenizer.encode_batch(list(prompts), add_special_tokens=False)]
    width = max(map(len, ids))
    ids_BT = torch.tensor([[padding] * (width - len(row)) + row for row in ids], device=model.device)
    mask_BT = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in ids], device=model.device)
    choice = (
        {"do_sample": True, "temperature": 1.0, "top_k": 0, "top_p": 1.0} if sampled else {"do_sample": False}
    )
    ends = [special_id(tokenizer, END_OF_TEXT), special_id(tokenizer, TURN_END)]
    whole_BT = model.generate(
        input_ids=ids_BT,
        attention_mask=mask_BT,
        max_new_tokens=longest,
        eos_token_id=ends,
        pad_token_id=padding,
        **choice,
    )
    return tokenizer.decode_batch(
        [_until(row, ends) for row in whole_BT[:, width:].tolist()], skip_special_tokens=False
    )


def _until(ids: list[int], ends: Sequence[int]) -> list[int]:
    """The ids before the first of `ends`."""
    return ids[: next((place for place, number in enumerate(ids) if number in ends), len(ids))]
