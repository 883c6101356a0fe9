"""A node with a byte index answers matches on bytes too; one without answers as a store here without one."""

import shutil
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from tests.tracing.bytes.test_byte_index import HIDDEN, split
from tests.tracing.nodes.conftest import Node, publish
from tests.tracing.support.stores import text_tokenizer
from tracing.byte_indexes import byte_index_folder, byte_twins_of
from tracing.core.building.byte_twin import write_byte_twin
from tracing.core.bytes.twin import FOLDER, ByteTwin, twin_name
from tracing.core.errors import StoreDamaged, StoreMismatch
from tracing.core.stores.manifest import read_manifest
from tracing.core.stores.store import TokenStore
from tracing.core.trace import Tracer, TraceRequest
from tracing.models import Store
from tracing.nodes.announcing import Announced
from tracing.nodes.elsewhere import byte_index_elsewhere, open_indexes

pytestmark = pytest.mark.django_db
TOKENIZER = text_tokenizer()
REQUEST = TraceRequest(token_ids=TOKENIZER.encode(HIDDEN)[0], density=1.0, min_tokens=2)
COLLECTIONS = {
    "bytes-north": [split("xx" + HIDDEN, 1, 7), [5], split(HIDDEN + "yy", 9, 20)],
    "bytes-south": [TOKENIZER.encode(HIDDEN[:12])[0], split(HIDDEN, 3)],
}


@pytest.fixture
def spread(nodes: list[Node]) -> Iterator[dict[str, Path]]:
    """A store on each of two nodes, the first with its byte index; their paths, that of the index last."""
    paths = {}
    for node, (name, documents) in zip(nodes, COLLECTIONS.items(), strict=True):
        paths[name] = node.home / "stores" / name
        if not paths[name].exists():
            publish(node.home, name, documents, stage=f"of-{node.name}")
    with TokenStore.open(paths["bytes-north"]) as store:
        paths["index"] = nodes[0].home / FOLDER / twin_name(store.manifest)
        if not paths["index"].exists():
            write_byte_twin(paths["index"], store, TOKENIZER)
    for node, name in zip(nodes, COLLECTIONS, strict=True):
        if node.process is None:
            node.start()
        node.wait_until_heard(name)
    nodes[0].wait_until_heard(f"{FOLDER}/{paths['index'].name}")
    call_command("register_nodes", stdout=StringIO())
    yield paths
    shutil.rmtree(byte_index_folder(), ignore_errors=True)


def traced_far() -> dict[str, Any]:
    """As the site traces stores on nodes."""
    stores = open_indexes([Store.objects.get(name=name) for name in COLLECTIONS])
    return answer_of(Tracer(stores, TOKENIZER, twins=byte_twins_of(stores)))  # type: ignore[arg-type]


def traced_here(paths: dict[str, Path], *indexes: Path) -> dict[str, Any]:
    """The same stores, and these of their byte indexes, opened on this machine."""
    stores = [TokenStore.open(paths[name]) for name in COLLECTIONS]
    twins = [ByteTwin(store, TokenStore.open(path)) for store, path in zip(stores, indexes, strict=False)]
    return answer_of(Tracer(stores, TOKENIZER, twins=twins))


def answer_of(tracer: Tracer) -> dict[str, Any]:
    answer = tracer.trace(REQUEST).to_json()
    del answer["timing_ms"]
    return answer


def stages_on_bytes(answer: dict[str, Any]) -> list[dict[str, int]]:
    return [
        span["stages"] for span in answer["spans"] if span["matched_on"] == "bytes" and span["text"] == HIDDEN
    ]


def test_a_node_answers_matches_on_bytes_where_it_holds_a_byte_index(spread: dict[str, Path]) -> None:
    found = traced_far()
    assert found == traced_here(spread, spread["index"])
    assert stages_on_bytes(found) == [{"of-north": 2}]


def test_a_byte_index_that_stayed_on_the_site_is_searched_there(spread: dict[str, Path]) -> None:
    with TokenStore.open(spread["bytes-south"]) as store:
        path = byte_index_folder() / twin_name(store.manifest)
        write_byte_twin(path, store, TOKENIZER)
    found = traced_far()
    assert found == traced_here(spread, spread["index"], path)
    assert stages_on_bytes(found) == [{"of-north": 2, "of-south": 1}]


def test_a_damaged_byte_index_leaves_its_store_out_with_the_reason(spread: dict[str, Path]) -> None:
    table = spread["index"] / "table.0"
    content = table.read_bytes()
    table.write_bytes(content[:-1])
    try:
        found = traced_far()
    finally:
        table.write_bytes(content)
    north, south = found["indexes"]
    assert (north["answered"], south["answered"]) == (False, True)
    assert north["reason"].startswith("its byte index: ")
    assert "table.0" in north["reason"]
    assert stages_on_bytes(found) == []
    assert traced_far() == traced_here(spread, spread["index"])


def test_registering_names_byte_indexes_and_makes_no_stores_of_them(spread: dict[str, Path]) -> None:
    output = StringIO()
    call_command("register_nodes", stdout=output)
    assert f"{FOLDER}/{spread['index'].name}  on north" in output.getvalue()
    assert not Store.objects.filter(name__startswith=FOLDER).exists()


def test_byte_indexes_that_cannot_be_told_apart_or_read_are_not_used(spread: dict[str, Path]) -> None:
    name = spread["index"].name
    one, other = (read_manifest(spread[key]) for key in ("index", "bytes-south"))

    def held(*manifests: Any) -> dict[str, list[Announced]]:
        entries = [
            Announced(f"n{n}", name, found, "" if found else "broken") for n, found in enumerate(manifests)
        ]
        return {f"{FOLDER}/{name}": entries}

    assert byte_index_elsewhere(name, {}) is None
    assert byte_index_elsewhere(name, held(one, None)).manifest == one
    assert byte_index_elsewhere(name, held(one, one)).manifest == one
    with pytest.raises(StoreMismatch, match="n0, n1 hold other builds of it"):
        byte_index_elsewhere(name, held(one, other))
    with pytest.raises(StoreDamaged, match="on n0: broken"):
        byte_index_elsewhere(name, held(None))
