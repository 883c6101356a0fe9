"""Decoding of our own against transformers' generate and against whole forward passes."""

from typing import Any

import pytest
import torch

from training.core.decoding import decode
from training.core.model import new_model
from training.core.recipe import ModelRecipe

IDS = {"pad": 0, "end_of_text": 1, "turn_end": 2}
LONGEST = 24
PROMPTS = [[5, 9, 11], [7, 3, 8, 12, 40, 41, 42, 9, 10, 11, 12, 13], [30] * 7]


@pytest.fixture(scope="module", params=[4, 1], ids=["a key for each query", "shared keys"])
def model(request: pytest.FixtureRequest) -> Any:
    """Random, with a window that is shorter than the longest prompt."""
    recipe = ModelRecipe(
        hidden_size=64, intermediate_size=96, layers=4, heads=4, kv_heads=request.param, sliding_window=8,
        context=64, embedding_std=1.0,
    )  # fmt: skip
    return new_model(recipe, vocabulary_size=64, ids=IDS, seed=3).eval()


@pytest.mark.parametrize("ends", [[1, 2], [1, 2, *range(20, 40)]], ids=["hardly any ends", "most end early"])
def test_greedy_answers_are_those_of_transformers(model: Any, ends: list[int]) -> None:
    expected = []
    for prompt in PROMPTS:
        whole = model.generate(
            input_ids=torch.tensor([prompt]), attention_mask=torch.ones(1, len(prompt), dtype=torch.long),
            max_new_tokens=LONGEST, do_sample=False, eos_token_id=ends, pad_token_id=0,
        )  # fmt: skip
        expected.append(tuple(whole[0, len(prompt) :].tolist()))
    found = decode(model, PROMPTS, longest=LONGEST, ends=ends)
    assert [answer.ids for [answer] in found] == expected


def test_log_probabilities_are_those_of_a_whole_forward_pass(model: Any) -> None:
    torch.manual_seed(0)
    found = decode(model, PROMPTS, longest=LONGEST, ends=[1, *range(40, 64)], temperature=1.0, answers=5)
    lengths = {len(answer.ids) for group in found for answer in group}
    assert len(lengths) > 3  # rows were dropped on the way
    for prompt, group in zip(PROMPTS, found, strict=True):
        for answer in group:
            with torch.no_grad():
                logits = model(torch.tensor([[*prompt, *answer.ids]])).logits[0].log_softmax(-1)
            expected = [logits[len(prompt) - 1 + n, token].item() for n, token in enumerate(answer.ids)]
            assert list(answer.logprobs) == pytest.approx(expected, abs=1e-4)


def test_tokens_are_drawn_as_often_as_the_model_gives_them_chances(model: Any) -> None:
    torch.manual_seed(1)
    drawn = decode(model, [PROMPTS[0]], longest=1, ends=[1], temperature=1.0, answers=20_000)[0]
    counts = torch.bincount(torch.tensor([answer.ids[0] for answer in drawn]), minlength=64).double()
    with torch.no_grad():
        shares = model(torch.tensor([PROMPTS[0]])).logits[0, -1].double().softmax(-1)
    errors = (20_000 * shares * (1 - shares)).sqrt()
    assert ((counts - 20_000 * shares).abs() <= 5 * errors + 3).all()


def test_an_answer_may_be_one_token_long(model: Any) -> None:
    [[answer]] = decode(model, [PROMPTS[1]], longest=1, ends=[1])
    assert len(answer.ids) == len(answer.logprobs) == 1
