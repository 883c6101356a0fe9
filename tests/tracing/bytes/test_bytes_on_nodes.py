"""Byte indexes on nodes answer what they answer here; one that does not leaves its store out, and is said."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tracing.bytes.test_byte_index import HIDDEN, cases, split, twins_of
from tests.tracing.support.nodes import asked_of, twins_on_a_node
from tests.tracing.support.stores import text_tokenizer
from tracing.core.bytes.twin import ByteTwin
from tracing.core.errors import StoreMismatch, Unanswered
from tracing.core.nodes.node_store import NodeStore
from tracing.core.trace import Tracer, TraceRequest

TOKENIZER = text_tokenizer()
ANSWER = TOKENIZER.encode(HIDDEN)[0]
REQUEST = TraceRequest(token_ids=ANSWER, density=1.0, min_tokens=2)


def traced(twins: Sequence[ByteTwin], request: TraceRequest = REQUEST, **options: Any) -> dict[str, Any]:
    tracer = Tracer([twin.store for twin in twins], TOKENIZER, twins=twins)
    answer = tracer.trace(request, **options).to_json()
    del answer["timing_ms"]
    return answer


def matched_on_bytes(answer: dict[str, Any]) -> list[str]:
    return [span["text"] for span in answer["spans"] if span["matched_on"] == "bytes"]


@given(cases(), cases(), st.integers(1, 4), st.integers(0, 3), st.booleans())
@settings(max_examples=25, deadline=None)
def test_stores_on_nodes_with_byte_indexes_answer_as_here(
    case: tuple[list[list[int]], list[int]],
    other: tuple[list[list[int]], list[int]],
    least: int,
    seed: int,
    raw: bool,
) -> None:
    request = TraceRequest(
        token_ids=[*case[1], *other[1]], density=1.0, min_tokens=least, max_documents=2, seed=seed, raw=raw
    )
    with twins_of(case[0], other[0], case[0] + other[0], shard_bytes=400) as twins:
        here = traced(twins, request)
        far = twins_on_a_node(twins)
        assert traced(far, request) == here
        assert traced([twins[0], far[1], twins[2]], request) == here
        assert traced(twins_on_a_node(twins, indexes_too=False), request) == here


def test_a_node_without_a_byte_index_answers_as_a_store_here_without_one() -> None:
    with twins_of([split(HIDDEN, 7)], [split(HIDDEN, 9), ANSWER[:5]]) as twins:
        far = twins_on_a_node(twins)
        without = Tracer([twins[0].store, far[1].store], TOKENIZER, twins=far[:1]).trace(REQUEST)
        here = Tracer([twin.store for twin in twins], TOKENIZER, twins=twins[:1]).trace(REQUEST)
    assert without.spans == here.spans
    assert matched_on_bytes(without.to_json()) == [HIDDEN]
    assert without.documents == here.documents


@pytest.mark.parametrize("operation", ["lengths", "ranges", "places"])
def test_a_byte_index_that_does_not_answer_leaves_its_store_out_and_is_said(operation: str) -> None:
    with twins_of([split(HIDDEN, 7)], [split(HIDDEN, 9)]) as twins:
        far = twins_on_a_node(twins[1:], {operation: "Its node did not answer."})
        found = traced([twins[0], *far])
        alone = traced(twins[:1])
    reasons = [index.get("reason") for index in found["indexes"]]
    assert reasons == [None, "its byte index: Its node did not answer."]
    assert matched_on_bytes(found) == [HIDDEN]
    assert {**found, "indexes": 0} == {**alone, "indexes": 0}


def test_what_a_byte_index_holds_is_counted_or_said_to_be_unknown() -> None:
    texts = [HIDDEN, "pathname", "two or", "two  or", "é"]
    with twins_of([split(HIDDEN, 7)], [split("pathname é", 3)]) as twins:
        stores = [twin.store for twin in twins]
        far = twins_on_a_node(twins)
        away = twins_on_a_node(twins, {"ranges": "It is away."})
        assert Tracer(stores, TOKENIZER, twins=twins).count_bytes(texts) == [1, 2, 1, 0, 1]
        assert Tracer([t.store for t in far], TOKENIZER, twins=far).count_bytes(texts) == [1, 2, 1, 0, 1]
        assert Tracer(stores, TOKENIZER, twins=twins).count_bytes([]) == []
        with pytest.raises(Unanswered, match=r"its byte index: It is away\."):
            Tracer([t.store for t in away], TOKENIZER, twins=away).count_bytes(texts)


def test_a_byte_index_of_another_store_is_refused_wherever_they_lie() -> None:
    with twins_of([[5, 6]], [[5, 7]]) as twins:
        first, second = twins_on_a_node(twins)
        with pytest.raises(StoreMismatch, match=r"on its node is not the byte index of s0 on its node"):
            ByteTwin(first.store, second.twin)


def test_a_node_that_sends_other_documents_than_asked_for_is_not_believed() -> None:
    with twins_of([split(HIDDEN, 7)]) as twins:
        [far] = twins_on_a_node(twins)
        ask = asked_of({"s0": twins[0].store})

        def cut(questions: Any, deadline: float) -> Any:
            replies = ask(questions, deadline)
            is_whole = questions[0].operation == "wholes"
            return [reply._replace(value=[[0, 2, 4]]) if is_whole else reply for reply in replies]

        wrong = ByteTwin(NodeStore("s0", twins[0].store.manifest, cut), far.twin)
        with twins_of([split(HIDDEN, 9)]) as others:
            found = traced([others[0], wrong])
    assert [index["answered"] for index in found["indexes"]] == [True, False]
    assert "run the same version everywhere" in found["indexes"][1]["reason"]
