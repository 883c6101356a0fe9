"""What the pages say a step read is what the training loop reads at that step, token for token."""

from collections import defaultdict

import numpy as np
import pytest
from django.test import Client

from tests.training.registry.shelf import RECIPE, put_checkpoint, put_store
from tracing.core.errors import InputError
from tracing.core.stores.store import TokenStore
from training.checkpoint_pages.saw import document_times, reading_of, step_view
from training.core.batches import read_batch
from training.core.bounds import build
from training.core.recipe import TrainRecipe
from training.core.store_order import store_order
from training.lineage import Lineage
from training.models import Checkpoint

DOCUMENTS, STEPS = 14, 9
PADDING = 0
Seen = dict[int, dict[int, set[int]]]


def store_that_tells(name: str = "s") -> TokenStore:
    """Documents of 2 to 40 tokens in which no two tokens of the store are alike."""
    lengths = np.random.default_rng(1).integers(2, 40, DOCUMENTS).tolist()
    starts = [1 + sum(lengths[:number]) for number in range(DOCUMENTS)]
    return put_store(name, [list(range(s, s + n)) for s, n in zip(starts, lengths, strict=True)])


def replay(store: TokenStore, packing: str, steps: int) -> Seen:
    """step -> document -> tokens of it, read off the tensors that the loop would train on."""
    recipe = build(TrainRecipe, {**RECIPE, "packing": packing}, "test")
    order, rows = store_order(store, recipe), recipe.batch_size * (2 if packing == "pairs" else 1)
    home = {
        int(token): (document, place)
        for document in range(store.documents)
        for place, token in enumerate(store.token_ids(document))
    }
    seen: Seen = {}
    for step in range(steps):
        batch = read_batch(
            store, order, step, batch_size=rows, sequence_length=recipe.sequence_length, padding=PADDING
        )
        found = seen.setdefault(step + 1, defaultdict(set))
        for token in batch.ids_BT.flatten().tolist():
            if token != PADDING:
                document, place = home[token]
                found[document].add(place)
    return seen


def shown(checkpoint: Checkpoint, step: int) -> dict[int, set[int]]:
    reading = reading_of(Lineage.of(checkpoint), "")
    first = step_view(reading, step)
    pages = [first, *(step_view(reading, step, page) for page in range(2, first.pages + 1))]
    rows = [row for page in pages for row in page.rows]
    assert len(rows) == first.documents
    return {row.document: {t for start, end in row.ranges for t in range(start, end)} for row in rows}


@pytest.mark.parametrize("packing", ["split", "whole", "pairs"])
def test_a_step_shows_exactly_what_it_trained_on(packing: str) -> None:
    store = store_that_tells()
    checkpoint = put_checkpoint("c", stores=[store], steps=STEPS, step=STEPS, recipe={"packing": packing})
    seen = replay(store, packing, STEPS)
    for step in range(1, STEPS + 1):
        assert shown(checkpoint, step) == seen[step], f"step {step}"


@pytest.mark.parametrize("packing", ["split", "whole"])
def test_a_document_shows_every_step_that_read_it(packing: str) -> None:
    store = store_that_tells()
    checkpoint = put_checkpoint("c", stores=[store], step=6, steps=STEPS, recipe={"packing": packing})
    seen = replay(store, packing, STEPS)
    for document in range(DOCUMENTS):
        [times] = document_times(Lineage.of(checkpoint), "s", document)
        steps = [step for step in seen if document in seen[step]]
        assert times.steps == [step for step in steps if step <= 6]
        assert times.later == [step for step in steps if step > 6]


def test_rollouts_are_found_at_the_step_that_learned_from_them() -> None:
    steps = [1, 1, 2, 4, 4, 4]
    store = put_store(
        "r", [[7, 8, 9, number] for number in range(6)],
        metadata=[{"id": str(n), "step": step, "reward": 0.5} for n, step in enumerate(steps)],
    )  # fmt: skip
    checkpoint = put_checkpoint("c", stores=[store], step=4, steps=4, recipe={"packing": "rollouts"})
    reading = reading_of(Lineage.of(checkpoint), "")
    for step in range(1, 5):
        rows = step_view(reading, step).rows
        assert [row.document for row in rows] == [n for n, at in enumerate(steps) if at == step]
        assert all(row.ranges == [(0, 4)] for row in rows)
        assert all(("reward", "0.5") in (row.facts or []) for row in rows)


def test_an_ancestors_steps_can_be_asked_for_too() -> None:
    store = store_that_tells()
    put_checkpoint("base", stage="midtrain", stores=[store], step=STEPS, recipe={"packing": "split"})
    child = put_checkpoint("child", parents=["base"])
    reading = reading_of(Lineage.of(child), "s")
    assert reading.checkpoint.name == "base"
    assert step_view(reading, 3).documents == len(replay(store, "split", 3)[3])


@pytest.mark.parametrize(("step", "page"), [(0, 1), (10, 1), (1, 99), (1, 0)])
def test_steps_and_pages_that_there_are_not_are_refused(step: int, page: int) -> None:
    checkpoint = put_checkpoint("c", stores=[store_that_tells()], step=STEPS, steps=STEPS)
    with pytest.raises(InputError, match="There is no"):
        step_view(reading_of(Lineage.of(checkpoint), ""), step, page)


@pytest.mark.parametrize(
    "query",
    ["step=0", "step=-1", "step=x", "step=9" * 20, "step=1&page=999", "store=other&step=1", "step=%00"],
)
def test_odd_questions_get_a_reason(client: Client, admin_client: Client, query: str) -> None:
    put_checkpoint("c", stores=[store_that_tells()], step=STEPS, steps=STEPS)
    answer = admin_client.get(f"/checkpoints/c/steps/?{query}")
    assert answer.status_code == 422
    assert 'role="alert"' in answer.content.decode()


def test_the_pages_show_and_link_the_documents(admin_client: Client) -> None:
    put_checkpoint("c", stores=[store_that_tells()], step=STEPS, steps=STEPS)
    step = admin_client.get("/checkpoints/c/steps/?step=2").content.decode()
    assert "What step 2 trained on" in step
    assert "/stores/s/" in step
    document = admin_client.get("/checkpoints/c/documents/?document=3").content.decode()
    assert "When it saw document 3" in document
    assert "/checkpoints/c/steps/?store=s" in document
    assert admin_client.get("/checkpoints/c/documents/?document=999").status_code == 422


def test_a_store_that_is_away_is_said_not_guessed(admin_client: Client, tmp_path: object) -> None:
    store = store_that_tells()
    put_checkpoint("c", stores=[store], step=STEPS, steps=STEPS)
    store.path.rename(store.path.with_name("moved"))
    answer = admin_client.get("/checkpoints/c/steps/?step=2")
    assert answer.status_code == 422
    assert "its directory is not here" in answer.content.decode()
