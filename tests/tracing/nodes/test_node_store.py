"""What a store on a node says of itself is what it says here."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tracing.support.nodes import on_a_node
from tests.tracing.support.stores import stores_of, text_tokenizer
from tracing.core.errors import InputError, Unanswered
from tracing.core.nodes import node_store
from tracing.core.trace import Tracer, TraceRequest

TOKENIZER = text_tokenizer()
DOCUMENTS = st.lists(st.lists(st.integers(0, 300), max_size=8), min_size=1, max_size=12)


@given(DOCUMENTS, st.integers(1, 5), st.data())
@settings(max_examples=40, deadline=None)
def test_lengths_asked_for_in_parts_are_those_of_the_documents(
    documents: list[list[int]], at_once: int, data: st.DataObject
) -> None:
    lengths = [len(ids) for ids in documents]
    first = data.draw(st.integers(0, len(documents)))
    stop = data.draw(st.integers(first, len(documents)))
    with stores_of(documents, shard_bytes=30) as [store], pytest.MonkeyPatch.context() as patched:
        patched.setattr(node_store, "LENGTHS_ASKED", at_once)
        assert store.document_lengths().tolist() == lengths
        assert store.document_lengths(first, stop).tolist() == lengths[first:stop]
        assert on_a_node(store).document_lengths().tolist() == lengths
        for wrong in ((-1, 1), (0, len(documents) + 1), (1, 0)):
            with pytest.raises(InputError, match=f"has {len(documents)} documents"):
                store.document_lengths(*wrong)


def test_lengths_that_a_node_has_said_are_not_asked_for_again() -> None:
    with stores_of([[1], [2, 3], []]) as [store], pytest.MonkeyPatch.context() as patched:
        patched.setattr(node_store, "LENGTHS_ASKED", 2)
        node, refused = on_a_node(store), on_a_node(store, {"document_lengths": "It is away."})
        questions = []
        asks, node.ask = node.ask, lambda *asked: (questions.append(asked), asks(*asked))[1]
        assert [node.document_lengths().tolist() for _ in range(2)] == [[1, 2, 0]] * 2
        assert len(questions) == 2
        with pytest.raises(Unanswered, match=r"It is away\."):
            refused.document_lengths()


def test_a_store_whose_node_does_not_say_when_its_documents_were_seen_is_left_out_and_said() -> None:
    ids = TOKENIZER.encode("Join two or more pathname components")[0]
    request = TraceRequest(token_ids=ids, density=1.0, min_tokens=2)
    with stores_of([ids], [[*ids, 5]]) as (here, far):
        node = on_a_node(far, {"document_lengths": "It is away."})
        lengths = {"store0": here.document_lengths, "store1": node.document_lengths}

        def seen(name: str, document: int, metadata: object) -> dict[str, int]:
            return {"times": int(lengths[name]()[document])}

        found = Tracer([here, node], TOKENIZER).trace(request, seen=seen).to_json()
        alone = Tracer([here], TOKENIZER).trace(request, seen=seen).to_json()
    assert [(index["answered"], index.get("reason")) for index in found["indexes"]] == [
        (True, None),
        (False, "It is away."),
    ]
    assert found["documents"] == alone["documents"] != []
    assert found["spans"] == alone["spans"]
