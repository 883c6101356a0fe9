"""What a step is trained on is what lies in the store, byte for byte, each document for itself."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.training.core_jobs import MODEL
from tracing.core.building.writer import StoreWriter
from tracing.core.stores.store import TokenStore
from training.core.batches import IGNORED, Batch, read_batch
from training.core.bounds import build
from training.core.loss import next_token_loss
from training.core.mixture import Mixture
from training.core.model import new_model
from training.core.optim import new_optimizer
from training.core.order import Piece
from training.core.recipe import ModelRecipe, TrainRecipe
from training.core.store_order import mixed_order, store_order

VOCABULARY, PADDING, WIDTH, BATCH = 64, 0, 32, 3
RECIPE = build(TrainRecipe, {"sequence_length": WIDTH, "batch_size": BATCH, "seed": 3}, "test")
BEST_FIT = build(TrainRecipe, {"sequence_length": WIDTH, "batch_size": BATCH, "packing": "best-fit"}, "test")
WHOLE = build(TrainRecipe, {"sequence_length": WIDTH, "batch_size": BATCH, "packing": "whole"}, "test")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> TokenStore:
    """40 documents of 2 to 30 tokens; every other one a conversation whose loss is on its last third."""
    path = tmp_path_factory.mktemp("stores") / "s"
    rng = np.random.default_rng(0)
    described = {"tokenizer": "sha256:x", "dtype": "u16", "stage": "pretrain", "source": "", "licence": ""}
    with StoreWriter(path, name="s", **described) as writer:
        for number in range(40):
            ids = rng.integers(1, VOCABULARY, rng.integers(2, 30))
            spoken = {"loss": [[2 * len(ids) // 3, len(ids)]]} if number % 2 else {}
            writer.add(ids, {"id": str(number), **spoken})
        writer.publish()
    return TokenStore.open(path)


def batch_of(store: TokenStore, recipe: TrainRecipe, step: int) -> Batch:
    order = store_order(store, recipe)
    return read_batch(store, order, step, batch_size=BATCH, sequence_length=WIDTH, padding=PADDING)


@pytest.fixture(scope="module")
def model() -> Any:
    ids = {"pad": PADDING, "end_of_text": 1, "turn_end": 2}
    return new_model(build(ModelRecipe, MODEL, "model"), vocabulary_size=VOCABULARY, ids=ids, seed=0).eval()


@pytest.mark.parametrize("recipe", [RECIPE, WHOLE, BEST_FIT])
def test_the_ids_of_a_batch_are_the_bytes_of_the_store(store: TokenStore, recipe: TrainRecipe) -> None:
    order = store_order(store, recipe)
    raw = (store.path / "tokenized.0").read_bytes()
    for step in range(order.steps_in_epochs(1)):
        batch = batch_of(store, recipe, step)
        for piece in order.pieces(step):
            row = batch.ids_BT[piece.row, piece.column : piece.column + piece.length]
            start = raw_start(store, piece.document) + 2 * piece.start
            assert row.numpy().astype("<u2").tobytes() == raw[start : start + 2 * piece.length]


def raw_start(store: TokenStore, document: int) -> int:
    """Byte of the document's first token in tokenized.0, behind its separator."""
    return int(np.fromfile(store.path / "offset.0", dtype="<u8")[document]) + 2


@pytest.mark.parametrize("recipe", [RECIPE, WHOLE, BEST_FIT])
def test_labels_are_the_next_tokens_of_the_same_document(store: TokenStore, recipe: TrainRecipe) -> None:
    order = store_order(store, recipe)
    for step in range(3):
        batch = batch_of(store, recipe, step)
        expected = torch.full_like(batch.labels_BT, IGNORED)
        for piece in order.pieces(step):
            ids = store.token_ids(piece.document)
            loss = store.metadata(piece.document).get("loss", [[0, len(ids)]])
            for place in range(1, piece.length):
                token = piece.start + place
                if any(start <= token < end for start, end in loss):
                    expected[piece.row, piece.column + place - 1] = int(ids[token])
        assert torch.equal(batch.labels_BT, expected)


def test_positions_begin_again_with_every_document(store: TokenStore) -> None:
    order, batch = store_order(store, WHOLE), batch_of(store, WHOLE, 0)
    for piece in order.pieces(0):
        positions = batch.positions_BT[piece.row, piece.column : piece.column + piece.length]
        assert positions.tolist() == list(range(piece.length))


def read_mixture(store: TokenStore, recipe: TrainRecipe, step: int) -> tuple[Batch, list[Piece]]:
    """A step of the store mixed with itself: documents from `store.documents` on are the second's."""
    mixture = Mixture(store, store, 0.5)
    order = mixed_order(mixture, recipe)
    batch = read_batch(mixture, order, step, batch_size=BATCH, sequence_length=WIDTH, padding=PADDING)
    return batch, list(order.pieces(step))


def read_alone(store: TokenStore, recipe: TrainRecipe, step: int) -> tuple[Batch, list[Piece]]:
    return batch_of(store, recipe, step), list(store_order(store, recipe).pieces(step))


EVERY_PACKING = [
    pytest.param(read_alone, RECIPE, id="split"),
    pytest.param(read_alone, WHOLE, id="whole"),
    pytest.param(read_alone, BEST_FIT, id="best-fit"),
    pytest.param(read_mixture, BEST_FIT, id="mixture"),
]


@pytest.mark.parametrize(("read", "recipe"), EVERY_PACKING)
@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_no_document_sees_another_in_its_sequence(
    store: TokenStore, model: Any, attention: str, read: Any, recipe: TrainRecipe
) -> None:
    """Change one document: the losses of all others stay, to rounding; its own do change."""
    model.set_attn_implementation(attention)
    packed = 0
    for step in range(3):
        batch, pieces = read(store, recipe, step)
        for piece in pieces:
            if piece.length < 4 or sum(other.row == piece.row for other in pieces) < 2:
                continue
            packed += 1
            span = slice(piece.column, piece.column + piece.length)
            changed = batch.ids_BT.clone()
            changed[piece.row, span] = changed[piece.row, span] % (VOCABULARY - 1) + 1
            with torch.no_grad():
                before, after = (
                    model(ids, position_ids=batch.positions_BT, use_cache=False).logits
                    for ids in (batch.ids_BT, changed)
                )
            moved = (before - after).abs().amax(-1)
            assert moved[piece.row, span].max() > 0.1
            moved[piece.row, span] = 0
            assert moved.max() < 1e-4
    assert packed >= 2


@pytest.mark.parametrize(("read", "recipe"), EVERY_PACKING)
@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_a_packed_document_has_the_logits_it_has_alone(
    store: TokenStore, model: Any, attention: str, read: Any, recipe: TrainRecipe
) -> None:
    model.set_attn_implementation(attention)
    batch, pieces = read(store, recipe, 0)
    with torch.no_grad():
        packed = model(batch.ids_BT, position_ids=batch.positions_BT, use_cache=False).logits
        for piece in pieces:
            ids = store.token_ids(piece.document % store.documents).astype(np.int64)
            alone = model(torch.from_numpy(ids[piece.start : piece.start + piece.length])[None]).logits[0]
            here = packed[piece.row, piece.column : piece.column + piece.length]
            torch.testing.assert_close(here, alone, atol=1e-4, rtol=1e-4)


def test_a_mixture_s_ids_are_both_stores_own(store: TokenStore) -> None:
    for step in range(4):
        batch, pieces = read_mixture(store, BEST_FIT, step)
        for piece in pieces:
            ids = store.token_ids(piece.document % store.documents)
            row = batch.ids_BT[piece.row, piece.column : piece.column + piece.length]
            assert row.tolist() == ids[piece.start : piece.start + piece.length].tolist()


class Given:
    """A model that gives the hidden states and the head that it is made of."""

    def __init__(self, hidden: torch.Tensor, head: torch.Tensor) -> None:
        self.hidden, self.head = hidden, head

    def model(self, **asked: Any) -> tuple[torch.Tensor]:
        assert "attention_mask" not in asked, "a mask of ones lets packed documents see each other"
        return (self.hidden,)

    def lm_head(self, kept: torch.Tensor) -> torch.Tensor:
        return kept @ self.head.T


@given(st.integers(0, 2**31), st.floats(0, 1), st.floats(0.1, 0.9))
def test_the_loss_is_the_formula_token_by_token(seed: int, z_loss: float, learned: float) -> None:
    """Next token, z-loss and the mask of SFT, written as their papers do, on random tensors."""
    rng = torch.Generator().manual_seed(seed)
    hidden = torch.randn(2, 5, 3, generator=rng, dtype=torch.float64) * 3
    head = torch.randn(7, 3, generator=rng, dtype=torch.float64)
    labels = torch.randint(0, 7, (2, 5), generator=rng)
    labels[torch.rand(2, 5, generator=rng) > learned] = IGNORED
    labels[0, 0] = 3
    nll = z = count = 0.0
    for row in range(2):
        for place in range(5):
            if int(labels[row, place]) != IGNORED:
                logits = [float(hidden[row, place] @ head[token]) for token in range(7)]
                log_normaliser = math.log(sum(map(math.exp, logits)))
                nll += log_normaliser - logits[int(labels[row, place])]
                z += log_normaliser**2
                count += 1
    batch = Batch(torch.zeros(2, 5, dtype=torch.int64), labels, torch.zeros(2, 5, dtype=torch.int64))
    objective, told = next_token_loss(Given(hidden, head), batch, z_loss)
    assert told.item() == pytest.approx(nll / count, rel=1e-4, abs=1e-5)
    assert objective.item() == pytest.approx(nll / count + z_loss * z / count, rel=1e-4, abs=1e-5)


@given(st.integers(0, 2**31), st.floats(0, 1), st.floats(0.1, 50))
def test_the_loss_has_the_gradient_of_its_formula(seed: int, z_loss: float, spread: float) -> None:
    """As torch differentiates it where it is written out."""
    rng = torch.Generator().manual_seed(seed)
    hidden = torch.randn(1, 4, 3, generator=rng, dtype=torch.float64) * spread
    head = torch.randn(7, 3, generator=rng, dtype=torch.float64)
    labels, zeros = torch.randint(0, 7, (1, 4), generator=rng), torch.zeros(1, 4, dtype=torch.int64)
    ours, theirs = hidden.clone().requires_grad_(), hidden.clone().requires_grad_()
    objective, _ = next_token_loss(Given(ours, head), Batch(zeros, labels, zeros), z_loss)
    logits = (theirs[0] @ head.T).float()
    z = logits.logsumexp(-1).square().mean()
    written_out = torch.nn.functional.cross_entropy(logits, labels[0]) + z_loss * z
    objective.backward()
    written_out.backward()
    torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-4, atol=1e-5)


def test_the_loss_is_cross_entropy_plus_z_loss_over_labelled_tokens(store: TokenStore, model: Any) -> None:
    batch = batch_of(store, WHOLE, 1)
    objective, nll = next_token_loss(model, batch, 0.01)
    logits = model(batch.ids_BT, position_ids=batch.positions_BT, use_cache=False).logits.flatten(0, 1)
    labels = batch.labels_BT.flatten()
    expected = torch.nn.functional.cross_entropy(logits, labels, ignore_index=IGNORED)
    z = torch.logsumexp(logits[labels != IGNORED], -1).square().mean()
    torch.testing.assert_close(nll, expected.detach(), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(objective, expected + 0.01 * z, atol=1e-5, rtol=1e-5)


def test_a_step_moves_every_parameter(store: TokenStore) -> None:
    recipe = build(ModelRecipe, MODEL, "model")
    model = new_model(
        recipe, vocabulary_size=VOCABULARY, ids={"pad": 0, "end_of_text": 1, "turn_end": 2}, seed=1
    )
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    optimizer = new_optimizer(model, RECIPE)
    objective, _ = next_token_loss(model.train(), batch_of(store, RECIPE, 0), 1e-5)
    objective.backward()
    optimizer.step()
    assert not [name for name, p in model.named_parameters() if torch.equal(p, before[name])]


def test_embeddings_and_norms_do_not_decay(model: Any) -> None:
    decayed, kept = new_optimizer(model, RECIPE).param_groups
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    assert decayed["weight_decay"] == 0.1
    assert kept["weight_decay"] == 0.0
    assert {names[id(p)] for p in kept["params"] if p.ndim == 2} == {"model.embed_tokens.weight"}
    assert all(p.ndim == 2 for p in decayed["params"])


def test_every_fourth_layer_attends_to_everything(model: Any) -> None:
    assert model.config.layer_types == ["sliding_attention"] * 3 + ["full_attention"]
