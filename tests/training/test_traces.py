"""Tracing to the data of a really trained flow: lineage, steps that saw a document, the JSON of the API."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from tests.flows import document_text
from tracing.core.errors import Cancelled, InputError
from tracing.services import open_store, open_tokenizer
from training.core.batches import read_batch
from training.core.recipe_files import STAGES
from training.core.store_order import store_order
from training.lineage import Lineage, lineage_stores
from training.models import Checkpoint, Flow, TrainedOn
from training.traces import live_trace, trace_answer, trace_checkpoint, tracer_for

pytestmark = pytest.mark.django_db
FIELDS = ["object", "id", "model", "checkpoint", "indexes", "text", "token_ids", "spans", "documents"]
FIELDS += ["coverage", "withheld", "timing_ms"]


@pytest.fixture
def pretrained(trained_flow: Flow) -> Checkpoint:
    return Checkpoint.objects.get(job__flow=trained_flow, stage="pretrain", final=True)


def test_the_lineage_of_the_last_stage_is_every_store_once_in_the_flows_order(instruct: Checkpoint) -> None:
    stages = [store.stage for store in lineage_stores(instruct)]
    assert stages == ["pretrain", "midtrain", "think-sft", "instruct-sft"]


def test_a_base_checkpoint_knows_nothing_of_later_data(pretrained: Checkpoint) -> None:
    assert [store.stage for store in lineage_stores(pretrained)] == ["pretrain"]


def test_a_verbatim_document_is_found_in_its_store_with_its_source(instruct: Checkpoint) -> None:
    text, token_ids = document_text(instruct, "pretrain")
    trace = trace_answer(instruct, token_ids)
    assert list(trace) == FIELDS
    assert (trace["object"], trace["model"], trace["text"]) == ("trace", instruct.name, text)
    found = [document for document in trace["documents"] if document["document"] == 0]
    assert found[0]["store"] == lineage_stores(instruct)[0].name
    assert found[0]["stage"] == "pretrain"
    assert found[0]["source"]
    assert found[0]["licence"]
    span = trace["spans"][0]
    assert text[span["start"] : span["end"]] == span["text"]
    start, end = found[0]["matches"][0]
    assert found[0]["snippet"][start:end] in text
    assert json.loads(json.dumps(trace)) == trace


def test_text_and_its_own_ids_give_the_same_spans(instruct: Checkpoint) -> None:
    text, _ = document_text(instruct, "instruct-sft")
    ids, _ = open_tokenizer(instruct.path).encode(text)
    by_text, by_ids = trace_checkpoint(instruct, text=text), trace_checkpoint(instruct, token_ids=ids)
    assert by_text["spans"] == by_ids["spans"]
    assert by_text["spans"]


@pytest.mark.parametrize("stage", ["pretrain", "midtrain", "think-sft", "instruct-sft"])
def test_the_steps_said_for_a_document_are_those_whose_batches_hold_it(
    trained_flow: Flow, stage: str
) -> None:
    """Replays the whole stage's batches and compares, for every document."""
    checkpoint = Checkpoint.objects.get(job__flow=trained_flow, stage=stage, final=True)
    row = TrainedOn.objects.get(checkpoint=checkpoint)
    store, recipe = open_store(row.store), STAGES[stage](**checkpoint_recipe(checkpoint))
    order = store_order(store, recipe)
    seen: dict[int, list[int]] = {document: [] for document in range(store.documents)}
    for step in range(checkpoint.steps):
        for document in {piece.document for piece in order.pieces(step)}:
            seen[document].append(step + 1)
    behind = Lineage.of(checkpoint)
    for document, steps in seen.items():
        said = behind.seen(row.store.name, document)
        assert said is not None
        ends = (steps[0], steps[-1]) if steps else (None, None)
        assert (said["times"], said["first_step"], said["last_step"]) == (len(steps), *ends)
    assert any(seen.values())


def checkpoint_recipe(checkpoint: Checkpoint) -> dict[str, object]:
    manifest = json.loads((checkpoint.path / "manifest.json").read_text())
    return {name: value for name, value in manifest["config"].items() if name != "model"}


def test_document_lengths_are_those_of_the_documents(pretrained: Checkpoint) -> None:
    store = open_store(lineage_stores(pretrained)[0])
    lengths = store.document_lengths().tolist()
    assert lengths == [len(store.token_ids(document)) for document in range(store.documents)]


def test_the_first_batch_holds_the_tokens_of_the_documents_said_to_be_seen_first(
    pretrained: Checkpoint,
) -> None:
    recipe = STAGES["pretrain"](**checkpoint_recipe(pretrained))
    row = TrainedOn.objects.get(checkpoint=pretrained)
    store = open_store(row.store)
    shape = {"batch_size": recipe.batch_size, "sequence_length": recipe.sequence_length}
    batch = read_batch(store, store_order(store, recipe), 0, padding=0, **shape)
    trained_on = "".join(f" {token}" for token in batch.ids_BT.flatten().tolist())
    behind = Lineage.of(pretrained)
    for document in range(store.documents):
        head = "".join(f" {token}" for token in store.token_ids(document)[:8].tolist())
        said = behind.seen(row.store.name, document)
        if said is not None and said["first_step"] == 1:
            assert head in trained_on


def test_the_nearest_checkpoints_enclose_the_first_step_that_saw_a_document(pretrained: Checkpoint) -> None:
    row = TrainedOn.objects.get(checkpoint=pretrained)
    steps = {c.name: c.step for c in Checkpoint.objects.filter(job=pretrained.job)}
    assert len(steps) >= 2
    behind = Lineage.of(pretrained)
    said = [behind.seen(row.store.name, document) for document in range(row.store.documents)]
    for seen in (seen for seen in said if seen and seen["times"]):
        assert seen["before"] is None or steps[seen["before"]] < seen["first_step"]
        assert steps[seen["after"]] >= seen["first_step"]
        between = [s for s in steps.values() if seen["first_step"] <= s < steps[seen["after"]]]
        assert between == []
    assert {seen["before"] is None for seen in said if seen} == {True, False}


def test_an_early_checkpoint_has_not_seen_what_came_later(pretrained: Checkpoint) -> None:
    early = Checkpoint.objects.filter(job=pretrained.job).order_by("step")[0]
    row = TrainedOn.objects.get(checkpoint=early)
    behind = Lineage.of(early)
    said = [behind.seen(row.store.name, document) for document in range(row.store.documents)]
    unseen = [seen for seen in said if seen is not None and not seen["times"]]
    assert unseen
    assert all(seen["first_step"] is None and seen["last_step"] is None for seen in unseen)
    assert all(seen["last_step"] <= early.step for seen in said if seen and seen["times"])


def test_a_store_outside_the_lineage_was_never_seen(pretrained: Checkpoint) -> None:
    assert Lineage.of(pretrained).seen("somebody-elses", 0) is None


def test_stages_limit_the_search_and_unknown_ones_are_refused(instruct: Checkpoint) -> None:
    text, _ = document_text(instruct, "pretrain")
    trace = trace_checkpoint(instruct, text=text, stages=["midtrain"])
    assert [index["stage"] for index in trace["indexes"]] == ["midtrain"]
    with pytest.raises(InputError, match="nonsense"):
        trace_checkpoint(instruct, text=text, stages=["nonsense"])


def test_live_spans_end_up_as_those_of_the_whole_trace(instruct: Checkpoint) -> None:
    _, token_ids = document_text(instruct, "think-sft", document=1)
    live = live_trace(instruct)
    for token in token_ids:
        live.push([token])
    whole = trace_answer(instruct, token_ids)
    assert [(s.start, s.end) for s in live.spans()] == [(s["start"], s["end"]) for s in whole["spans"]]


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({}, "either text or token_ids"),
        ({"text": "a", "token_ids": [1]}, "either text or token_ids"),
        ({"text": ""}, "0 tokens"),
        ({"token_ids": []}, "0 tokens"),
        ({"token_ids": [-1]}, "-1"),
        ({"token_ids": [10**9]}, "1000000000"),
        ({"token_ids": ["12"]}, "whole numbers"),
        ({"text": "a", "density": float("nan")}, "density"),
        ({"text": "a", "min_tokens": 0}, "min_tokens"),
        ({"text": "a", "max_documents": 1000}, "max_documents"),
    ],
)
def test_bad_input_is_refused_with_a_reason(
    instruct: Checkpoint, asked: dict[str, object], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        trace_checkpoint(instruct, **asked)  # type: ignore[arg-type]


def test_a_trace_stops_when_told(instruct: Checkpoint) -> None:
    with pytest.raises(Cancelled):
        trace_checkpoint(instruct, text="os.path.join(a, *p)", cancelled=lambda: True)


def test_a_checkpoint_without_data_says_so(instruct: Checkpoint) -> None:
    TrainedOn.objects.all().delete()
    with pytest.raises(InputError, match="register its data"):
        tracer_for(instruct)


@pytest.mark.django_db(transaction=True)
def test_many_threads_get_the_same_answer(instruct: Checkpoint) -> None:
    text, token_ids = document_text(instruct, "pretrain", document=2)

    def traced(_: int) -> str:
        try:
            trace = trace_answer(instruct, token_ids)
            return json.dumps({key: trace[key] for key in ("spans", "documents", "coverage", "text")})
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as threads:
        answers = set(threads.map(traced, range(64)))
    assert len(answers) == 1
    assert text in json.loads(answers.pop())["text"]
