"""Questions looked for in small stores with planted items, against brute force."""

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tracing.support.stores import stores_of, text_tokenizer
from tracing.core.trace import Tracer
from training.core.chat import Turn
from training.core.evaluation.contamination import NGRAM, OVERLAP, find_items, longest_run, to_json
from training.core.evaluation.items import Item

QUESTION = "Join two or more pathname components, inserting as needed: which function does that?"
OTHER = "How many shells does the sea sell by the shore when nobody is there to count them?"


def item(line: int, question: str) -> Item:
    return Item(line, (Turn("user", question),), "", "x", "exact")


def ids(text: str) -> list[int]:
    return text_tokenizer().encode(text)[0]


def test_a_planted_question_is_found_whole_in_its_document_and_stage() -> None:
    documents = [ids("nothing of it"), [*ids("before "), *ids(QUESTION), *ids(" after")]]
    with stores_of(documents, stage="pretrain") as stores:
        found = find_items(Tracer(stores, text_tokenizer()), [item(1, QUESTION), item(2, OTHER)])
    assert (found.items, found.found, found.exact) == (2, 1, 1)
    assert found.exact_by_stage == found.found_by_stage == {"pretrain": 1}
    [finding] = found.findings
    assert (finding.line, finding.store, finding.document, finding.overlap) == (1, "store0", 1, 1.0)
    assert finding.token_ids == tuple(ids(QUESTION))


def test_a_sum_is_looked_for_as_a_question_and_as_a_lesson() -> None:
    asked = Item(1, (Turn("user", OTHER),), "", "15", "math", lesson="7 + 8:")
    with stores_of([ids("nothing"), ids("1 + 2: 3\n7 + 8: 15")]) as stores:
        found = find_items(Tracer(stores, text_tokenizer()), [asked])
    assert (found.found, found.exact) == (1, 1)
    assert (found.findings[0].document, found.findings[0].question) == (1, OTHER)


def test_half_of_a_question_in_one_document_counts_and_less_does_not() -> None:
    whole = ids(QUESTION)
    half, less = whole[: -(-len(whole) // 2)], whole[: len(whole) // 2 - 1]
    for planted, expected in ((half, 1), (less, 0)):
        with stores_of([planted]) as stores:
            found = find_items(Tracer(stores, text_tokenizer()), [item(1, QUESTION)])
        assert (found.found, found.exact) == (expected, 0)


def test_halves_in_two_documents_are_not_a_question() -> None:
    whole = ids(QUESTION)
    third = len(whole) // 3
    with stores_of([whole[:third], whole[third : 2 * third], whole[2 * third :]]) as stores:
        assert find_items(Tracer(stores, text_tokenizer()), [item(1, QUESTION)]).found == 0


def test_a_question_shorter_than_an_ngram_is_found_whole_or_not_at_all() -> None:
    short = ids(QUESTION)[: NGRAM - 2]
    text, _ = text_tokenizer().decode(short)
    assert ids(text) == short
    with stores_of([short]) as stores:
        assert find_items(Tracer(stores, text_tokenizer()), [item(1, text)]).exact == 1
    with stores_of([short[:-1]]) as stores:
        assert find_items(Tracer(stores, text_tokenizer()), [item(1, text)]).found == 0


def test_an_empty_task_text_and_a_task_of_nothing_found_are_fine() -> None:
    with stores_of([ids("nothing")]) as stores:
        found = find_items(Tracer(stores, text_tokenizer()), [item(1, ""), item(2, OTHER)])
    assert to_json(found) == {
        "items": 2,
        "found": 0,
        "exact": 0,
        "exact_by_stage": {},
        "found_by_stage": {},
        "partly_listed": False,
        "findings": [],
    }


def overlap_by_hand(question: Sequence[int], document: Sequence[int]) -> float:
    size = min(NGRAM, len(question))
    held = {tuple(document[place : place + size]) for place in range(len(document) - size + 1)}
    starts = [n for n in range(len(question) - size + 1) if tuple(question[n : n + size]) in held]
    return len({place for start in starts for place in range(start, start + size)}) / len(question)


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_what_is_found_is_what_brute_force_finds(data: st.DataObject) -> None:
    """Questions cut from a few letters, so that runs repeat, cross and almost match."""
    letters = st.text("ab", min_size=1, max_size=40)
    questions = data.draw(st.lists(letters, min_size=1, max_size=4))
    texts = data.draw(st.lists(st.text("ab", max_size=60), min_size=1, max_size=5))
    documents = [[*ids(text), *ids(data.draw(st.sampled_from(["", *questions])))] for text in texts]
    with stores_of(documents[: len(documents) // 2] or documents, documents) as stores:
        found = find_items(Tracer(stores, text_tokenizer()), [item(n, q) for n, q in enumerate(questions)])
    best = [max(overlap_by_hand(ids(question), document) for document in documents) for question in questions]
    expected = {line: overlap for line, overlap in enumerate(best) if overlap >= OVERLAP}
    assert {finding.line: pytest.approx(finding.overlap) for finding in found.findings} == expected


@given(st.sets(st.integers(0, 40), min_size=1), st.integers(1, 8))
def test_the_longest_run_is_one_and_none_is_longer(starts: set[int], size: int) -> None:
    ordered = sorted(starts)
    run = longest_run(ordered, size)
    assert all(start in starts for start in range(run.start, run.stop - size + 1))
    lengths = [size + next(n for n in range(99) if start + n + 1 not in starts) for start in ordered]
    assert len(run) == max(lengths)
