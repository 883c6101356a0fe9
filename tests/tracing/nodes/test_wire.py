"""What nodes are asked and answer, sent as text and read again, without the machines in between."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tracing.matching.test_search import search
from tests.tracing.support.brute import corpora, maximal, occurrences
from tests.tracing.support.stores import stores_of, text_tokenizer
from tracing.core.engines.engine import Place, Terms
from tracing.core.errors import TracingError, Unanswered
from tracing.core.matching.corpus import Corpus
from tracing.core.nodes import wire
from tracing.core.nodes.answers import Ask, Question, Reply, checked_excerpts
from tracing.core.nodes.node_store import NodeStore
from tracing.core.nodes.questions import answer
from tracing.core.stores.store import TokenStore
from tracing.core.trace import Tracer, TraceRequest

TOKENIZER = text_tokenizer()


def asking(stores: Sequence[TokenStore]) -> Ask:
    """Answers as nodes do, in this process."""
    held = {str(number): store for number, store in enumerate(stores)}

    def ask(questions: Sequence[Question], deadline: float) -> list[Reply]:
        return [Reply(**wire.decode(wire.encode(said(question)._asdict()))) for question in questions]

    def said(question: Question) -> Reply:
        name, _, operation, arguments = wire.decode(wire.encode(list(question)))
        try:
            return Reply(answer(held[name], operation, arguments))
        except TracingError as error:
            return Reply(None, str(error))

    return ask


def on_nodes(stores: Sequence[TokenStore]) -> list[NodeStore]:
    ask = asking(stores)
    return [NodeStore(str(number), store.manifest, ask) for number, store in enumerate(stores)]


@given(corpora(), st.integers(0, 5))
@settings(max_examples=150, deadline=None)
def test_matches_and_counts_are_those_of_brute_force(
    case: tuple[str, list[list[int]], list[int]], cut: int
) -> None:
    kind, documents, query = case
    parts = [part for part in (documents[:cut], documents[cut:]) if part]
    with stores_of(*parts, dtype=kind) as stores:
        found = search(Corpus(on_nodes(stores)), query)[1]
        mixed = search(Corpus([*on_nodes(stores)[:1], *stores[1:]]), query)[1]
    assert list(found) == maximal(documents, query)
    assert found == mixed == {(a, b): occurrences(documents, query[a:b]) for a, b in found}


@pytest.mark.parametrize("kind", ["u8", "u16", "u32"])
def test_a_whole_trace_by_nodes_is_that_of_the_stores_for_every_token_type(kind: str) -> None:
    ids = TOKENIZER.encode("carry 1. 7 + 8 = 15. " * 20)[0]
    documents = [[token % 250 for token in ids[start : start + 90]] for start in range(0, 60, 7)]
    request = TraceRequest(token_ids=documents[3][:40], density=1.0, min_tokens=2, max_documents=4, seed=2)
    with stores_of(documents[:4], documents[4:], dtype=kind, shard_bytes=900) as stores:
        here, there = (Tracer(given, TOKENIZER).trace(request) for given in (stores, on_nodes(stores)))
    assert here.documents
    assert dataclasses.replace(there, timing_ms={}) == dataclasses.replace(here, timing_ms={})


@pytest.mark.parametrize(
    "value",
    [[1, -2.5, "é\0", None, True], {"a": [{}]}, np.zeros((0, 3), dtype=np.int64), np.arange(6.0)]
    + [np.arange(5, dtype=kind) for kind in ("u1", "<u2", "<u4", "<i8")],
)
def test_what_is_sent_is_what_is_read(value: Any) -> None:
    found = wire.decode(wire.encode({"value": value}))["value"]
    if isinstance(value, np.ndarray):
        assert found.dtype == value.dtype
        assert found.tolist() == value.tolist()
    else:
        assert found == value


NO_MESSAGES = ["", "{", '{"array": "|O", "shape": [1], "data": "AAAA"}']
NO_MESSAGES += [
    f'{{"array": "<i8", "shape": [{size}], "data": "{data}"}}' for size, data in ((2, ""), (1, "AAA"))
]


@pytest.mark.parametrize("text", NO_MESSAGES)
def test_what_is_no_message_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        wire.decode(text)


@pytest.mark.parametrize("value", [None, [1, 2], np.zeros(2), np.zeros((2, 2), dtype=np.int64), "later"])
def test_answers_of_another_version_are_no_answers(value: Any) -> None:
    with stores_of([[1, 2, 3]]) as stores:
        strange = NodeStore("s", stores[0].manifest, lambda asked, deadline: [Reply(value)] * len(asked))
        corpus = Corpus([strange])
        with pytest.raises(Unanswered, match="run the same version"), corpus.reading():
            corpus.longest_matches(corpus.query([1, 2, 3]))
        terms = Terms(np.array([1]), np.ones(1), 1.0)
        with pytest.raises(Unanswered, match="run the same version"):
            corpus.read([Place(0, 0, 2, 8, ((2, 1),))], terms)


@pytest.mark.parametrize("match", [(1, 3), (4, 6), (3, 2)])
def test_a_match_outside_what_is_shown_of_its_document_is_no_answer(match: tuple[int, int]) -> None:
    window = [2, np.array([7, 8, 9], dtype="<u2"), [match]]
    with stores_of([[1, 2, 3]]) as stores, pytest.raises(Unanswered, match="run the same version"):
        checked_excerpts([[1.0, [window], 9, {}]], 1, stores[0].manifest)


def test_an_unknown_question_is_refused() -> None:
    with stores_of([[1]]) as stores, pytest.raises(TracingError, match="'everything'"):
        answer(stores[0], "everything", {})
