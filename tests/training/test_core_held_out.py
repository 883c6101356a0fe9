"""Documents kept out of training: never read, always the same ones, and measured as the formula says."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.training.core_jobs import MODEL
from tracing.core.building.writer import StoreWriter
from tracing.core.stores.store import TokenStore
from training.core.bounds import build
from training.core.errors import OrderError
from training.core.held_out import held_out_loss, held_out_pairs
from training.core.model import new_model
from training.core.order import Packing
from training.core.recipe import ModelRecipe, ThinkDpoRecipe, ThinkSftRecipe
from training.core.store_order import new_order
from training.core.subset import split

SHAPE = {"sequence_length": 8, "batch_size": 2}


@given(
    st.lists(st.integers(1, 30), min_size=2, max_size=60),
    st.integers(1, 10),
    st.sampled_from(["split", "whole", "best-fit"]),
    st.integers(0, 5),
)
def test_held_out_documents_are_in_no_step_and_all_others_are(
    lengths: list[int], held_out: int, packing: Packing, seed: int
) -> None:
    held_out = min(held_out, len(lengths) - 1)
    order = new_order(np.array(lengths), seed=seed, packing=packing, held_out=held_out, **SHAPE)
    kept, held = split(len(lengths), held_out, pairs=False)
    steps = order.steps_in_epochs(1)
    read = {document for step in range(steps) for document in order.documents_at(step)}
    assert read == set(kept.tolist())
    assert len(held) == held_out
    for document in range(len(lengths)):
        expected = [step for step in range(steps) if document in order.documents_at(step)]
        assert order.steps_of(document, steps) == expected


@given(st.integers(2, 200), st.integers(1, 50))
def test_of_pairs_both_sides_are_held_out(pairs: int, held_out: int) -> None:
    held_out = min(held_out, pairs - 1)
    kept, held = split(2 * pairs, held_out, pairs=True)
    assert sorted([*kept, *held]) == list(range(2 * pairs))
    assert len(held) == 2 * held_out
    assert {int(number) // 2 for number in held} == {int(number) // 2 for number in held if number % 2}


def test_holding_everything_out_is_refused() -> None:
    with pytest.raises(OrderError, match="hold out fewer"):
        split(10, 10, pairs=False)
    with pytest.raises(OrderError, match="5 pairs"):
        split(10, 5, pairs=True)


def test_a_document_that_is_not_there_has_no_steps() -> None:
    order = new_order(np.array([3, 4, 5]), seed=0, packing="whole", held_out=1, **SHAPE)
    with pytest.raises(OrderError, match="no document 3"):
        order.steps_of(3, 1)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[TokenStore]:
    """Twelve documents of 3 to 30 tokens; every other one has its loss on all but its first two tokens."""
    rng = np.random.default_rng(0)
    described = {"tokenizer": "sha256:x", "dtype": "u16", "stage": "think-sft", "source": "", "licence": ""}
    with StoreWriter(tmp_path / "s", name="s", **described) as writer:
        for number in range(12):
            ids = rng.integers(4, 60, rng.integers(3, 31))
            writer.add(ids, {"id": str(number), **({"loss": [[2, len(ids)]]} if number % 2 else {})})
        writer.publish()
    with TokenStore.open(tmp_path / "s") as opened:
        yield opened


@pytest.fixture(scope="module")
def model() -> Any:
    special = {"pad": 0, "end_of_text": 1, "turn_end": 2}
    return new_model(build(ModelRecipe, MODEL, "model"), vocabulary_size=64, ids=special, seed=1)


def logprobs(model: Any, ids: list[int]) -> torch.Tensor:
    """Log-probability of each token but the first, computed alone."""
    row = torch.tensor(ids)[None]
    with torch.no_grad():
        logits = model(input_ids=row).logits[0, :-1].float()
    return -torch.nn.functional.cross_entropy(logits, row[0, 1:], reduction="none")


def test_the_held_out_loss_is_the_mean_over_all_their_labelled_tokens(store: TokenStore, model: Any) -> None:
    recipe = build(ThinkSftRecipe, {"held_out": 5, "sequence_length": 16}, "recipe")
    measured = held_out_loss(model, store, recipe, 0)["held_out_loss"]
    _, held = split(store.documents, 5, pairs=False)
    learned = []
    for number in held.tolist():
        first = store.metadata(number).get("loss", [[1, 0]])[0][0]
        learned += logprobs(model, store.token_ids(number)[:16].tolist())[first - 1 :].tolist()
    assert measured == pytest.approx(-sum(learned) / len(learned), rel=1e-2)


def test_pairs_held_out_are_counted_by_the_mean_log_probability_of_their_answers(
    store: TokenStore, model: Any
) -> None:
    recipe = build(ThinkDpoRecipe, {"held_out": 3, "sequence_length": 64}, "recipe")
    measured = held_out_pairs(model, store, recipe, 0)["pairs"]
    _, held = split(store.documents, 3, pairs=True)
    means = [
        logprobs(model, store.token_ids(n).tolist())[
            store.metadata(n).get("loss", [[1, 0]])[0][0] - 1 :
        ].mean()
        for n in held.tolist()
    ]
    right = sum(bool(chosen > rejected) for chosen, rejected in zip(means[::2], means[1::2], strict=True))
    assert measured == pytest.approx(right / 3)


def test_a_model_is_left_as_it_was_and_nothing_held_out_is_no_score(store: TokenStore, model: Any) -> None:
    model.train()
    held_out_loss(model, store, build(ThinkSftRecipe, {"held_out": 2, "sequence_length": 16}, "r"), 0)
    assert model.training
    assert held_out_loss(model, store, build(ThinkSftRecipe, {}, "r"), 0) == {}
