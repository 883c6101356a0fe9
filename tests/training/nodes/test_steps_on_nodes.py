"""Documents of a store on an index node say when they were seen, exactly as when the store is here."""

import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.conf import settings
from django.test import Client

from tests.tracing.bytes.test_byte_index import HIDDEN, split
from tests.tracing.nodes.conftest import Node
from tests.training.registry.shelf import put_checkpoint, put_job, put_store
from tracing.byte_indexes import build_byte_index, byte_index_folder
from tracing.core.bytes.twin import FOLDER, twin_name
from tracing.models import Store
from tracing.nodes.announcing import announced, connection
from tracing.services import register_store
from training import data_order
from training.checkpoint_pages.saw import document_times, reading_of, step_view
from training.lineage import Lineage
from training.models import Checkpoint
from training.traces import trace_checkpoint

STEPS, DOCUMENTS = 9, 24
RECIPES: dict[str, dict[str, Any]] = {
    "split": {"packing": "split"},
    "whole": {"packing": "whole"},
    "best-fit": {"packing": "best-fit"},
    "pairs": {"packing": "pairs"},
    "held-out": {"packing": "whole", "held_out": 5},
    "rollouts": {"packing": "rollouts"},
}


def put_stages(kind: str) -> None:
    """A store, the last checkpoint of the stage that read it, and one that was saved on the way."""
    lengths = np.random.default_rng(3).integers(4, 30, DOCUMENTS).tolist()
    documents = [[n + 5, *range(100, 100 + length)] for n, length in enumerate(lengths)]
    metadata = [{"id": str(n), "step": 1 + n // 6} for n in range(DOCUMENTS)]
    store = put_store(f"far-{kind}", documents, metadata)
    register_store(store.path)
    job = put_job(f"flow-{kind}", "think-sft")
    for step in (2, 6):
        name = f"far-{kind}-step{step}"
        put_checkpoint(name, step=step, steps=STEPS, stores=[store], job=job, recipe=RECIPES[kind])
    store.close()


def move(kinds: list[str], home: Path, other: Path) -> None:
    for kind in kinds:
        shutil.move(home / "stores" / f"far-{kind}", other / "stores" / f"far-{kind}")
    for cache in (data_order._orders, data_order._lengths):
        cache._kept.clear()


def said(kind: str) -> dict[str, Any]:
    """All that traces and pages say about when documents were seen."""
    checkpoint = Checkpoint.objects.get(name=f"far-{kind}-step6")
    lineage = Lineage.of(checkpoint)
    answer = trace_checkpoint(checkpoint, token_ids=list(range(100, 130)), density=1.0, max_documents=100)
    reading = reading_of(lineage, "")
    return {
        "indexes": answer["indexes"],
        "spans": answer["spans"],
        "documents": answer["documents"],
        "seen": [lineage.seen(f"far-{kind}", document) for document in range(DOCUMENTS)],
        "steps": [view_of(step_view(reading, step)) for step in range(1, 7)],
        "times": [view_of(*document_times(lineage, f"far-{kind}", n)) for n in range(DOCUMENTS)],
    }


def view_of(view: Any) -> dict[str, Any]:
    return {name: value for name, value in vars(view).items() if name != "reading"}


def wait_until_heard(node: Node, names: set[str]) -> None:
    """Until the node announces these stores, in the build that this test made."""
    wanted = set(Store.objects.filter(name__in=names).values_list("name", "digest"))
    for _ in range(600):
        entries = [entry for found in announced().values() for entry in found if entry.node == node.name]
        if wanted <= {(entry.store, entry.manifest.digest) for entry in entries if entry.manifest}:
            return
        time.sleep(0.1)
    pytest.fail(f"{node.name} was not heard")


@pytest.fixture
def spread(nodes: list[Node]) -> Callable[[], None]:
    """Every kind of order, its store on one of two nodes; called, all the stores are back on the site."""
    kinds = [list(RECIPES)[::2], list(RECIPES)[1::2]]
    for node, mine in zip(nodes, kinds, strict=True):
        for kind in mine:
            put_stages(kind)
        move(mine, settings.HOME, node.home)
        if node.process is None:
            node.start()
        wait_until_heard(node, {f"far-{kind}" for kind in mine})

    def bring_back() -> None:
        for node, mine in zip(nodes, kinds, strict=True):
            move(mine, node.home, settings.HOME)

    return bring_back


def test_documents_on_a_node_say_the_steps_and_checkpoints_that_they_say_here(
    spread: Callable[[], None],
) -> None:
    far = {kind: said(kind) for kind in RECIPES}
    spread()
    near = {kind: said(kind) for kind in RECIPES}
    for kind in RECIPES:
        assert far[kind] == near[kind], kind
        assert any(document["seen"]["times"] for document in far[kind]["documents"]), kind
    seen = [document["seen"] for answer in far.values() for document in answer["documents"]]
    assert any(found["before"] and found["after"] for found in seen)


def test_a_trace_of_the_same_words_in_other_tokens_is_whole_with_store_and_byte_index_on_a_node(
    nodes: list[Node],
) -> None:
    cuts = [split(HIDDEN, place) for place in range(1, 13)]
    store = put_store("far-letters", [ids for ids in cuts if ids != split(HIDDEN)])
    row = register_store(store.path)
    put_checkpoint("far-letters", step=3, steps=STEPS, stores=[store], recipe={"packing": "whole"})
    assert build_byte_index(row)
    index = byte_index_folder() / twin_name(store.manifest)
    near = traced_letters()
    (nodes[0].home / FOLDER).mkdir(exist_ok=True)
    shutil.move(index, nodes[0].home / FOLDER / index.name)
    move(["letters"], settings.HOME, nodes[0].home)
    if nodes[0].process is None:
        nodes[0].start()
    wait_until_heard(nodes[0], {"far-letters"})
    nodes[0].wait_until_heard(f"{FOLDER}/{index.name}")
    far = traced_letters()
    assert far == near
    assert (HIDDEN, "bytes") in [(span["text"], span["matched_on"]) for span in far["spans"]]
    assert {document["seen"]["times"] for document in far["documents"]} >= {1}


def traced_letters() -> dict[str, Any]:
    checkpoint = Checkpoint.objects.get(name="far-letters")
    answer = trace_checkpoint(checkpoint, text=HIDDEN, density=1.0, max_documents=100)
    return {name: value for name, value in answer.items() if name not in ("id", "timing_ms")}


def test_a_page_of_steps_says_which_node_does_not_answer_and_guesses_nothing(
    spread: Callable[[], None], nodes: list[Node], admin_client: Client
) -> None:
    nodes[0].stop(signal.SIGKILL)
    late = admin_client.get("/checkpoints/far-split-step6/documents/?document=3")
    connection().delete("headwater:index-node:north")  # as its heartbeat runs out
    away = admin_client.get("/checkpoints/far-split-step6/steps/?step=2")
    there = admin_client.get("/checkpoints/far-whole-step6/documents/?document=3")
    spread()
    for answer, reason in ((late, "did not answer within"), (away, "no index node holds it now")):
        assert answer.status_code == 422
        assert "far-split cannot be read" in answer.content.decode()
        assert reason in answer.content.decode()
    assert there.status_code == 200
