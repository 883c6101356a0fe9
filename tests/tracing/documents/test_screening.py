"""Withheld and unwanted documents cost no place: others are drawn instead, and what was met is counted."""

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tests.tracing.support.stores import stores_of, text_tokenizer
from tracing.core.documents.filters import DocumentFilter
from tracing.core.errors import InputError
from tracing.core.trace import Tracer, TraceRequest

TOKENIZER = text_tokenizer()
SENTENCE = "Join two or more pathname components."


def encode(text: str) -> list[int]:
    return TOKENIZER.encode(text)[0]


def holding(hidden: set[int], reason: str = "taken down"):
    return lambda store, documents: {number: reason for number in documents if number in hidden}


IDS = encode(SENTENCE)
REQUEST = TraceRequest(token_ids=IDS, max_documents=10)


@given(st.sets(st.integers(0, 29)), st.integers(1, 12), st.integers(0, 3))
@hypothesis_settings(max_examples=30, deadline=None)
def test_no_withheld_document_is_shown_and_others_take_their_places(
    hidden: set[int], wanted: int, seed: int
) -> None:
    request = TraceRequest(token_ids=IDS, max_documents=wanted, seed=seed)
    with stores_of([IDS] * 30) as stores:
        found = Tracer(stores, TOKENIZER).trace(request, withheld=holding(hidden)).to_json()
    shown = [document["document"] for document in found["documents"]]
    assert not hidden & set(shown)
    assert len(shown) == min(wanted, 30 - len(hidden))
    assert found["spans"][0]["count"] == 30
    assert found["spans"][0]["documents"] == list(range(len(shown)))
    met = sum(entry["documents"] for entry in found["withheld"])
    assert 0 <= met <= len(hidden)
    assert {entry["reason"] for entry in found["withheld"]} <= {"taken down"}


def test_nothing_withheld_changes_nothing() -> None:
    with stores_of([IDS] * 300) as stores:
        tracer = Tracer(stores, TOKENIZER)
        plain, screened = tracer.trace(REQUEST), tracer.trace(REQUEST, withheld=holding(set()))
    assert plain.documents == screened.documents
    assert screened.withheld == ()


def test_a_span_whose_documents_are_all_withheld_stays_with_its_count() -> None:
    with stores_of([IDS] * 3) as stores:
        found = Tracer(stores, TOKENIZER).trace(REQUEST, withheld=holding({0, 1, 2}, "blocked")).to_json()
    [span] = found["spans"]
    assert (span["count"], span["documents"], span["stages"]) == (3, [], {"pretrain": 3})
    assert found["documents"] == []
    assert found["withheld"] == [{"reason": "blocked", "documents": 3}]


def test_a_document_met_by_two_spans_counts_once() -> None:
    text = f"{SENTENCE}\nones: 7 + 8 = 15."
    request = TraceRequest.of_text(text, TOKENIZER, density=1.0)
    with stores_of([encode(SENTENCE + " and " + "ones: 7 + 8 = 15.")]) as stores:
        found = Tracer(stores, TOKENIZER).trace(request, withheld=holding({0}))
    assert len(found.spans) == 2
    assert found.withheld == ({"reason": "taken down", "documents": 1},)


@pytest.mark.parametrize(
    ("wanted", "shown"),
    [
        ({"corpora": ("store1",)}, {"store1"}),
        ({"corpora": ("store0", "store1")}, {"store0", "store1"}),
        ({"corpora": ("other",)}, set()),
        ({"licences": ("PSF-2.0",)}, {"store0", "store1"}),
        ({"licences": ("MIT",)}, set()),
        ({"sources": ("part.py",)}, {"store0", "store1"}),
        ({"sources": ("art.py", "https://")}, set()),
    ],
)
def test_documents_are_filtered_by_what_their_metadata_or_store_say(wanted: dict, shown: set[str]) -> None:
    request = TraceRequest(token_ids=IDS, wanted=DocumentFilter(**wanted))
    with stores_of([IDS] * 40, [IDS] * 40) as stores:
        found = Tracer(stores, TOKENIZER).trace(request)
    assert {document.store for document in found.documents} == shown
    assert len(found.documents) == (10 if shown else 0)
    assert found.spans[0].count == 80


def test_a_rare_source_is_found_among_many_documents() -> None:
    with stores_of([IDS] * 200) as stores:
        request = TraceRequest(token_ids=IDS, wanted=DocumentFilter(sources=("part.py:17",)))
        found = Tracer(stores, TOKENIZER).trace(request)
    assert {document.document for document in found.documents} <= {17, *range(170, 180)}
    assert len(found.documents) == 10


def test_relevance_asks_for_the_tiers_above() -> None:
    answer = f"{SENTENCE} Use it as needed, with '/' at the end of each of the names that are to be joined."
    filler = ["ones: 7 + 8 = 15. carry 1. tens: 2 + 3 = 5. so 85. " * 3] * 20
    texts = [f"{answer} {filler[0]}", f"{SENTENCE} {filler[0]}", *filler]
    with stores_of([encode(text) for text in texts]) as stores:
        tracer = Tracer(stores, TOKENIZER)
        shown = {
            tier: {
                document.document
                for document in tracer.trace(
                    TraceRequest.of_text(
                        answer, TOKENIZER, density=1.0, wanted=DocumentFilter(relevance=tier)
                    )
                ).documents
            }
            for tier in ("high", "medium", "low")
        }
    assert shown["high"] == {0}
    assert shown["high"] <= shown["medium"] <= shown["low"]
    assert 1 in shown["low"]


@pytest.mark.parametrize(
    "wanted",
    [
        {"corpora": ["a"]},
        {"corpora": "a"},
        {"corpora": ("",)},
        {"licences": ("x" * 501,)},
        {"sources": ("a",) * 65},
        {"sources": (5,)},
        {"relevance": "highest"},
        {"relevance": ""},
    ],
)
def test_unusable_filters_are_refused(wanted: dict) -> None:
    with pytest.raises(InputError):
        DocumentFilter(**wanted)
