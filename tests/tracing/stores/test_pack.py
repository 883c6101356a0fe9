"""A pack answers as the stores that it stands for."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tracing.support.brute import corpora, maximal
from tests.tracing.support.stores import Documents, stores_of, text_tokenizer, write_store
from tracing.core.building.packing import write_pack
from tracing.core.errors import StoreMismatch
from tracing.core.stores.pack import PACK_STORES, Pack, pack_name, plan_packs
from tracing.core.stores.store import TokenStore
from tracing.core.trace import Tracer, TraceRequest

TOKENIZER = text_tokenizer()
VOCABULARY = 250


@contextmanager
def packed(stores: list[TokenStore]) -> Iterator[Pack]:
    path = stores[0].path.parent / pack_name([store.manifest for store in stores])
    write_pack(path, stores)
    with TokenStore.open(path) as store:
        yield Pack(store, stores)


def comparable(trace: dict[str, Any]) -> dict[str, Any]:
    """What does not depend on the time, nor on which occurrences were drawn."""
    documents = sorted((d["store"], d["document"], d["id"], d["snippet"]) for d in trace["documents"])
    spans = [{**span, "documents": len(span["documents"])} for span in trace["spans"]]
    return {**trace, "timing_ms": None, "documents": documents, "spans": spans}


@settings(max_examples=25, deadline=None)
@given(corpora(), st.data())
def test_a_trace_over_a_pack_equals_one_over_its_stores(
    corpus: tuple[str, list[list[int]], list[int]], data: st.DataObject
) -> None:
    kind, *rest = corpus
    documents = [[token % VOCABULARY for token in document] for document in rest[0]]
    query = [token % VOCABULARY for token in rest[1]] or [1]
    cut = data.draw(st.integers(1, len(documents)))
    first, second = documents[:cut], documents[cut:] or [[1]]
    alone: Documents = [[2, 1, 2]]
    with stores_of(first, second, alone, dtype=kind) as stores, packed(stores[:2]) as pack:
        request = TraceRequest(token_ids=query, min_tokens=1, density=1.0, max_documents=100)
        apart, together = (
            Tracer(stores, TOKENIZER, packs).trace(request).to_json() for packs in ([], [pack])
        )
        raw = Tracer(stores, TOKENIZER, [pack]).trace(TraceRequest(token_ids=query, raw=True))
    assert comparable(together) == comparable(apart)
    found = [(span.token_start, span.token_end) for span in raw.spans]
    assert found == maximal([*first, *second, *alone], query)


def test_a_document_of_a_pack_is_shown_as_its_own_store_s() -> None:
    text = TOKENIZER.encode("Join two or more pathname components.")[0]
    with stores_of([[1]], [[3, 4], text], stage="think-sft") as stores, packed(stores) as pack:
        [document] = Tracer(stores, TOKENIZER, [pack]).trace(TraceRequest(token_ids=text)).documents
        assert (document.store, document.document) == ("store1", 1)
        assert document.metadata["corpus"] == "store1"
        assert document.metadata["id"] == "store1-1"


def test_a_withheld_document_stays_withheld_in_a_pack() -> None:
    text = TOKENIZER.encode("Join two or more pathname components.")[0]
    with stores_of([[1], text], [[3, 4], text], stage="think-sft") as stores, packed(stores) as pack:
        trace = Tracer(stores, TOKENIZER, [pack]).trace(
            TraceRequest(token_ids=text),
            withheld=lambda store, documents: {1: "taken down"} if store == "store1" else {},
        )
    assert [(document.store, document.document) for document in trace.documents] == [("store0", 1)]
    assert trace.withheld == ({"reason": "taken down", "documents": 1},)
    assert trace.spans[0].count == 2


def test_a_stage_that_is_asked_for_alone_is_searched_through_its_pack(tmp_path: Path) -> None:
    sft = [write_store(tmp_path / f"sft{n}", [[1, 2, 3]], stage="think-sft") for n in range(2)]
    base = write_store(tmp_path / "base", [[1, 2, 3]], stage="pretrain")
    with packed(sft) as pack:
        tracer = Tracer([base, *sft], TOKENIZER, [pack])
        asked = {"token_ids": [1, 2, 3], "raw": True}
        assert tracer.trace(TraceRequest(**asked)).spans[0].stages == {"pretrain": 1, "think-sft": 2}
        assert tracer.trace(TraceRequest(**asked, stages=("think-sft",))).spans[0].stages == {"think-sft": 2}
        assert tracer.trace(TraceRequest(**asked, stages=("pretrain",))).spans[0].stages == {"pretrain": 1}


def test_a_pack_of_other_stores_is_refused(tmp_path: Path) -> None:
    stores = [write_store(tmp_path / f"store{n}", [[n + 1]]) for n in range(3)]
    with packed(stores[:2]) as pack, pytest.raises(StoreMismatch, match="not a pack of these 2 stores"):
        Pack(pack.store, stores[1:])


def test_plans_take_every_full_eight_small_stores_of_a_stage(tmp_path: Path) -> None:
    sft = [write_store(tmp_path / f"sft{n}", [[n + 1]], stage="think-sft").manifest for n in range(17)]
    base = write_store(tmp_path / "base", [[1]], stage="pretrain").manifest
    plan = plan_packs([base, *sft])
    assert plan == [list(range(1, 9)), list(range(9, 17))]
    assert plan_packs([base, *sft[:7]]) == []


def test_plans_keep_their_packs_when_stores_are_added(tmp_path: Path) -> None:
    stores = [write_store(tmp_path / f"s{n}", [[n + 1]]).manifest for n in range(2 * PACK_STORES)]
    before, after = plan_packs(stores[: PACK_STORES + 3]), plan_packs(stores)
    assert after[: len(before)] == before
    assert pack_name([stores[n] for n in before[0]]) == pack_name([stores[n] for n in after[0]])
