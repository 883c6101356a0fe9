"""What a step is trained on is what lies in the store, byte for byte, each document for itself."""

from typing import Any

import numpy as np
import pytest
import torch

from tests.training.core_jobs import MODEL
from tracing.core.building.writer import StoreWriter
from tracing.core.stores.store import TokenStore
from training.core.batches import IGNORED, Batch, read_batch
from training.core.bounds import build
from training.core.loss import next_token_loss
from training.core.model import new_model
from training.core.optim import new_optimizer
from training.core.recipe import ModelRecipe, TrainRecipe
from training.core.store_order import store_order

VOCABULARY, PADDING, WIDTH, BATCH = 64, 0, 32, 3
RECIPE = build(TrainRecipe, {"sequence_length": WIDTH, "batch_size": BATCH, "seed": 3}, "test")
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


@pytest.mark.parametrize("recipe", [RECIPE, WHOLE])
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


@pytest.mark.parametrize("recipe", [RECIPE, WHOLE])
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


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_no_document_sees_another_in_its_sequence(store: TokenStore, model: Any, attention: str) -> None:
    """Change one document: the logits of the others stay, to rounding; its own do change."""
    model.set_attn_implementation(attention)
    order, batch = store_order(store, WHOLE), batch_of(store, WHOLE, 0)
    pieces = [piece for piece in order.pieces(0) if piece.row == 0]
    assert len(pieces) >= 2
    changed = batch.ids_BT.clone()
    first = pieces[0]
    span = slice(first.column, first.column + first.length)
    changed[0, span] = changed[0, span] % (VOCABULARY - 1) + 1
    with torch.no_grad():
        before, after = (
            model(ids, position_ids=batch.positions_BT, use_cache=False).logits
            for ids in (batch.ids_BT, changed)
        )
    moved = (before - after).abs().amax(-1)[0]
    assert moved[span].max() > 0.1
    assert moved[first.column + first.length :].max() < 1e-4


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_a_packed_document_has_the_logits_it_has_alone(store: TokenStore, model: Any, attention: str) -> None:
    model.set_attn_implementation(attention)
    batch = batch_of(store, WHOLE, 0)
    with torch.no_grad():
        packed = model(batch.ids_BT, position_ids=batch.positions_BT, use_cache=False).logits
        for piece in store_order(store, WHOLE).pieces(0):
            ids = torch.from_numpy(store.token_ids(piece.document).astype(np.int64))[None]
            alone = model(ids).logits[0, : piece.length]
            here = packed[piece.row, piece.column : piece.column + piece.length]
            torch.testing.assert_close(here, alone, atol=1e-4, rtol=1e-4)


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
