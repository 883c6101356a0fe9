"""A corpus spread over machines: whole when all answer, said when one does not, never guessed."""

import shutil
import signal
import time
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from celery import current_app
from django.conf import settings
from django.core.management import CommandError, call_command

from accounts.audit import Actor
from tests.tracing.nodes.conftest import Node, publish
from tests.tracing.support.stores import text_tokenizer
from tracing.core.documents.view import read_document
from tracing.core.errors import Cancelled, InputError, StoreMissing
from tracing.core.request import TraceRequest
from tracing.core.stores.store import TokenStore
from tracing.core.trace import Tracer
from tracing.documents import documents_of
from tracing.models import Store
from tracing.nodes.announcing import announced, connection
from tracing.nodes.asking import TASK, queue_of
from tracing.nodes.elsewhere import open_indexes, open_reader
from tracing.services import register_store
from tracing.withholding.acts import take_down
from tracing.withholding.lookup import WithheldNow
from training.diagnosis import index_nodes, workers

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clean_stores")]
TOKENIZER = text_tokenizer()
WORDS = [TOKENIZER.encode(text)[0] for text in ("Join two or more", " pathname", " carry 1.", " 日本", "\n")]


def documents(seed: int) -> list[list[int]]:
    rng = np.random.default_rng(seed)
    return [[t for n in rng.integers(0, len(WORDS), 30) for t in WORDS[n]] for _ in range(40)]


COLLECTIONS = [documents(seed) for seed in range(3)]
QUERY = [token for collection in COLLECTIONS for token in collection[7][:30]] + [1, 2, 300]
REQUEST = TraceRequest(token_ids=QUERY, density=0.3, min_tokens=3, seed=5)
STAGES = ["pretrain", "midtrain", "think-sft"]
NAMES = [f"far-{stage}" for stage in STAGES]


@pytest.fixture
def spread(nodes: list[Node]) -> list[Store]:
    """Three stores, one on the site and one on each node, all registered."""
    homes = [settings.HOME, *(node.home for node in nodes)]
    for home, name, stage, collection in zip(homes, NAMES, STAGES, COLLECTIONS, strict=True):
        if not (home / "stores" / name).exists():
            publish(home, name, collection, stage=stage, shard_bytes=3000)
    for node, name in zip(nodes, NAMES[1:], strict=True):
        if node.process is None:
            node.start()
        node.wait_until_heard(name)
    register_store(settings.HOME / "stores" / NAMES[0])
    call_command("register_nodes", stdout=StringIO())
    return [Store.objects.get(name=name) for name in NAMES]


def traced(stores: list[Store], request: TraceRequest = REQUEST) -> dict:
    answer = Tracer(open_indexes(stores), TOKENIZER).trace(request).to_json()
    del answer["timing_ms"]
    return answer


def together(tmp_path: Path, names: list[str], request: TraceRequest = REQUEST) -> dict:
    """The same trace over the same documents, all on one machine."""
    stores = []
    for name in names:
        number = NAMES.index(name)
        path = publish(tmp_path, name, COLLECTIONS[number], stage=STAGES[number], shard_bytes=3000)
        stores.append(TokenStore.open(path))
    answer = Tracer(stores, TOKENIZER).trace(request).to_json()
    del answer["timing_ms"]
    return answer


def without_indexes(answer: dict) -> dict:
    return {name: value for name, value in answer.items() if name != "indexes"}


def reasons(answer: dict) -> dict[str, str]:
    return {index["name"]: index["reason"] for index in answer["indexes"] if not index["answered"]}


def eventually(look: Callable[[], bool], what: str) -> None:
    for _ in range(300):
        if look():
            return
        time.sleep(0.1)
    pytest.fail(what)


@pytest.mark.parametrize("raw", [False, True])
def test_a_corpus_on_three_machines_answers_as_on_one(spread: list[Store], tmp_path: Path, raw: bool) -> None:
    request = TraceRequest(token_ids=QUERY, density=0.3, min_tokens=3, seed=5, raw=raw)
    found = traced(spread, request)
    expected = together(tmp_path, NAMES, request)
    assert expected["spans"]
    assert raw or {document["store"] for document in expected["documents"]} == set(NAMES)
    assert reasons(found) == {}
    assert without_indexes(found) == without_indexes(expected)
    assert [(i["name"], i["answered"], i["tokens"]) for i in found["indexes"]] == [
        (i["name"], True, i["tokens"]) for i in expected["indexes"]
    ]


def test_stages_on_other_machines_are_searched_alone(spread: list[Store], tmp_path: Path) -> None:
    request = TraceRequest(token_ids=QUERY, density=0.3, min_tokens=3, stages=("midtrain",))
    found = traced(spread, request)
    assert found["documents"]
    assert found["indexes"][0]["answered"]
    assert without_indexes(found) == without_indexes(together(tmp_path, ["far-midtrain"], request))


def test_a_live_trace_searches_this_machine_only(spread: list[Store]) -> None:
    here = Tracer([TokenStore.open(spread[0].path)], TOKENIZER).live()
    live = Tracer(open_indexes(spread), TOKENIZER).live()
    for tracer in (here, live):
        tracer.push(QUERY)
    assert live.spans() == here.spans()
    assert live.maximal() == here.maximal()


def test_a_node_that_is_killed_is_said_and_when_it_comes_back_the_answer_is_whole_again(
    spread: list[Store], nodes: list[Node], tmp_path: Path
) -> None:
    whole = traced(spread)
    opened = Tracer(open_indexes(spread), TOKENIZER)
    nodes[1].stop(signal.SIGKILL)
    late = opened.trace(REQUEST).to_json()  # not missed yet: it was heard seconds ago
    assert "did not answer within" in reasons(late)["far-think-sft"]
    connection().delete("headwater:index-node:south")  # as its heartbeat runs out
    found = traced(spread)
    assert reasons(found) == {"far-think-sft": "its directory is not here, and no index node holds it now."}
    assert without_indexes(found) == without_indexes(together(tmp_path, NAMES[:2]))
    assert found["spans"] == late["spans"]
    nodes[1].start()
    nodes[1].wait_until_heard(NAMES[2])
    assert traced(spread) == whole
    assert connection().llen(queue_of(NAMES[2])) == 0  # what was asked of it meanwhile is not kept


def test_questions_that_nobody_waits_for_any_more_are_dropped_unread(
    spread: list[Store], nodes: list[Node]
) -> None:
    nodes[1].stop(signal.SIGTERM)
    key = "headwater:answer:late"
    args = [key, '{"store": "far-think-sft", "digest": "x", "operation": "unigrams", "arguments": {}}']
    current_app.send_task(TASK, args=args, queue=queue_of(NAMES[2]), expires=0.5, ignore_result=True)
    time.sleep(1)
    nodes[1].start()
    nodes[1].wait_until_heard(NAMES[2])
    eventually(lambda: not reasons(traced([spread[2]])), "the node does not answer")
    assert connection().llen(key) == 0


def test_a_node_with_a_damaged_store_is_said_with_its_reason(
    spread: list[Store], nodes: list[Node], tmp_path: Path
) -> None:
    table = nodes[0].home / "stores" / NAMES[1] / "table.0"
    content = table.read_bytes()
    table.write_bytes(content[:-1])
    try:
        found = traced(spread)
        assert "table.0" in reasons(found)["far-midtrain"]
        assert without_indexes(found) == without_indexes(together(tmp_path, [NAMES[0], NAMES[2]]))
    finally:
        table.write_bytes(content)
    assert reasons(traced(spread)) == {}


def test_where_no_index_answers_there_is_an_error_and_no_answer(spread: list[Store]) -> None:
    lost = Store.objects.create(name="far-lost", stage="pretrain", digest="x", tokens=1, documents=1)
    with pytest.raises(
        StoreMissing, match=r"None of the model's 1 indexes answered\. far-lost: its directory"
    ):
        Tracer(open_indexes([lost]), TOKENIZER).trace(REQUEST)
    found = traced([lost, spread[1]])
    assert [index["name"] for index in found["indexes"] if index["answered"]] == ["far-midtrain"]


def test_a_store_in_another_build_than_was_registered_is_not_searched(spread: list[Store]) -> None:
    Store.objects.filter(name=NAMES[1]).update(digest="sha256:old")
    found = traced(list(Store.objects.filter(name__in=NAMES)))
    assert reasons(found) == {"far-midtrain": "on north: another build of it"}


def test_a_trace_that_waits_for_a_node_can_be_cancelled(spread: list[Store], nodes: list[Node]) -> None:
    tracer = Tracer(open_indexes(spread), TOKENIZER)
    nodes[0].process.send_signal(signal.SIGSTOP)
    began = time.monotonic()
    try:
        with pytest.raises(Cancelled):
            tracer.trace(REQUEST, cancelled=lambda: time.monotonic() > began + 1)
    finally:
        nodes[0].process.send_signal(signal.SIGCONT)


def test_registering_says_what_cannot_be_served(spread: list[Store], nodes: list[Node]) -> None:
    broken = publish(nodes[0].home, "far-broken", [[1, 2, 3]])
    (broken / "manifest.json").write_text("{}")
    nodes[0].wait_until_heard("far-broken")
    output, errors = StringIO(), StringIO()
    try:
        with pytest.raises(CommandError, match=r"1 of \d stores cannot be served"):
            call_command("register_nodes", stdout=output, stderr=errors)
    finally:
        shutil.rmtree(broken)
        eventually(lambda: "far-broken" not in announced(), "a store that is gone is still announced")
    assert "far-broken  on north:" in errors.getvalue()
    assert "manifest.json is damaged" in errors.getvalue()
    assert "far-midtrain  midtrain," in output.getvalue()
    assert not Store.objects.filter(name="far-broken").exists()


@pytest.mark.parametrize("options", [{"name": "a b"}, {"concurrency": 0}, {"concurrency": 10_000}])
def test_a_node_cannot_be_started_with_unusable_options(options: dict) -> None:
    with pytest.raises(CommandError, match=r"is no name|--concurrency is"):
        call_command("index_node", **options)


def test_doctor_names_the_nodes_and_the_stores_that_are_nowhere(spread: list[Store]) -> None:
    assert index_nodes().found == "north, south"
    assert not index_nodes().advice
    Store.objects.create(name="far-lost", stage="pretrain", digest="x", tokens=1, documents=1)
    assert index_nodes().advice.startswith("Neither here nor on a node: far-lost.")
    assert workers().found == "none"  # nodes take no jobs


def test_a_node_makes_no_database(spread: list[Store], nodes: list[Node]) -> None:
    assert not list(nodes[0].home.glob("*.sqlite3"))


def test_documents_of_a_store_on_a_node_are_read_as_if_they_were_here(
    spread: list[Store], nodes: list[Node], tmp_path: Path
) -> None:
    with TokenStore.open(nodes[0].home / "stores" / NAMES[1]) as store:
        rows = documents_of(spread[1], 30).rows
        assert [row.number for row in rows] == list(range(30, 40))
        assert [row.metadata for row in rows] == [store.metadata(number) for number in range(30, 40)]
        reader = open_reader(spread[1])
        span = COLLECTIONS[1][7][:5]
        assert read_document(reader, 7, TOKENIZER, span) == read_document(store, 7, TOKENIZER, span)
        for wrong in (-1, 40):
            with pytest.raises(InputError):
                read_document(reader, wrong, TOKENIZER)


def test_a_document_that_cannot_be_reached_is_an_error_with_the_reason(spread: list[Store]) -> None:
    Store.objects.filter(name=NAMES[1]).update(digest="sha256:old")
    row = Store.objects.get(name=NAMES[1])
    with pytest.raises(StoreMissing, match="far-midtrain cannot be read: on north: another build of it"):
        documents_of(row)


def test_a_document_on_a_node_is_taken_down_like_any_other(spread: list[Store]) -> None:
    shown = next(found for found in traced(spread)["documents"] if found["store"] == NAMES[1])
    [row] = take_down(store=spread[1], documents=[shown["document"]], note="", by=Actor("ada"))
    assert row.document_id == shown["id"]
    answer = Tracer(open_indexes(spread), TOKENIZER).trace(REQUEST, withheld=WithheldNow()).to_json()
    places = {(found["store"], found["document"]) for found in answer["documents"]}
    assert (NAMES[1], shown["document"]) not in places
    assert answer["withheld"] == [{"reason": "taken down", "documents": 1}]
