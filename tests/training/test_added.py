"""What the fine-tune added: exact against brute force, and by the names of real checkpoints."""

import json
from io import StringIO

import numpy as np
import pytest
from django.core.management import CommandError, call_command

from tests.flows import document_text
from tests.tracing.bytes.test_byte_index import HIDDEN, TOKENIZER, split, twins_of
from tests.tracing.support.nodes import twins_on_a_node
from tracing.core.errors import InputError
from tracing.core.trace import Tracer, TraceRequest
from tracing.services import open_store
from training.added import KnownRuns, mark_added
from training.lineage import ancestors_of, lineage_stores
from training.models import Checkpoint
from training.traces import trace_checkpoint

pytestmark = pytest.mark.django_db


def all_data(checkpoint: Checkpoint) -> bytes:
    """Every document of the checkpoint's lineage, four bytes a token, with a separator after each."""
    stores = [open_store(store) for store in lineage_stores(checkpoint)]
    documents = [store.token_ids(number) for store in stores for number in range(store.documents)]
    return b"".join(document.astype(">u4").tobytes() + b"\xff" * 4 for document in documents)


def occurs_in(data: bytes, token_ids: list[int]) -> bool:
    wanted = np.array(token_ids).astype(">u4").tobytes()
    place = data.find(wanted)
    while place > 0 and place % 4:
        place = data.find(wanted, place + 1)
    return place >= 0


def test_added_spans_are_those_that_no_document_of_the_parent_holds(instruct: Checkpoint) -> None:
    [parent] = instruct.parents.all()
    data = all_data(parent)
    said = set()
    for stage in ("instruct-sft", "pretrain"):
        _, token_ids = document_text(instruct, stage)
        trace = trace_checkpoint(
            instruct, token_ids=token_ids, density=1.0, min_tokens=4, added_since=parent.name
        )
        assert trace["spans"]
        for span in trace["spans"]:
            held = occurs_in(data, token_ids[span["token_start"] : span["token_end"]])
            assert span["added"] is not held, span["text"]
            said.add(span["added"])
    assert said == {True, False}


def test_without_the_question_spans_say_nothing_of_it(instruct: Checkpoint) -> None:
    _, token_ids = document_text(instruct, "instruct-sft")
    assert all("added" not in span for span in trace_checkpoint(instruct, token_ids=token_ids)["spans"])


def test_only_an_ancestor_can_be_compared_with(instruct: Checkpoint) -> None:
    names = [ancestor.name for ancestor in ancestors_of(instruct)]
    assert instruct.name not in names
    for name in (instruct.name, "nobody", ""):
        with pytest.raises(InputError, match=r"does not descend from .* its ancestors are .*pretrain"):
            trace_checkpoint(instruct, text="hello there", added_since=name)


def test_a_run_inside_a_known_one_is_known_and_one_across_two_is_not() -> None:
    known = KnownRuns([run(0, 5), run(3, 9), run(20, 30)])
    inside = [(0, 5), (1, 4), (4, 9), (20, 30), (25, 26)]
    across = [(0, 6), (2, 9), (8, 21), (19, 25), (29, 31), (40, 41)]
    assert [known.hold(run(*place)) for place in inside + across] == [True] * 5 + [False] * 6
    assert not KnownRuns([]).hold(run(0, 1))


def test_whether_bytes_were_added_is_not_said_where_a_byte_index_does_not_answer() -> None:
    with twins_of([split(HIDDEN, 7)], [[5]]) as twins:
        tracers = [
            Tracer([twin.store for twin in mine], TOKENIZER, twins=mine)
            for mine in (twins, twins_on_a_node(twins))
        ]
        away = twins_on_a_node(twins, {"ranges": "It is away."})
        tracers.append(Tracer([twin.store for twin in away], TOKENIZER, twins=away[:1]))
        trace = tracers[0].trace(TraceRequest(token_ids=TOKENIZER.encode(HIDDEN)[0])).to_json()
        [*said, unknown] = [mark_added(trace, tracer)["spans"] for tracer in tracers]
    assert [span["matched_on"] for span in trace["spans"]] == ["bytes"]
    assert said == [[trace["spans"][0] | {"added": False}]] * 2
    assert [span["added"] for span in unknown] == [None]


def test_a_run_of_other_tokens_does_not_make_known_what_lies_inside_it() -> None:
    other = run(0, 9) | {"matched_on": "bytes"}
    assert not KnownRuns([other]).hold(run(2, 4))
    assert KnownRuns([other, run(1, 5)]).hold(run(2, 4) | {"matched_on": "bytes"})


def run(start: int, end: int) -> dict[str, int]:
    return {"token_start": start, "token_end": end, "start": start, "end": end}


def test_the_command_says_it_too(instruct: Checkpoint) -> None:
    [parent] = instruct.parents.all()
    text, _ = document_text(instruct, "instruct-sft")
    out = StringIO()
    call_command(
        "trace", model=instruct.name, text=text, added_since=parent.name, density=1.0, json=True, stdout=out
    )
    assert {span["added"] for span in json.loads(out.getvalue())["spans"]} <= {True, False}
    with pytest.raises(CommandError, match="does not descend"):
        call_command("trace", model=instruct.name, text=text, added_since="nobody", json=True)
