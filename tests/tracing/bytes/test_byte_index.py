"""Spans matched on bytes: all that token boundaries hide, and nothing else, by brute force on texts."""

import contextlib
import itertools
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tracing.support.brute import maximal, occurrences
from tests.tracing.support.engines import searched_by
from tests.tracing.support.stores import IN_MEMORY, text_tokenizer, tokenizer_json, write_store
from tests.tracing.support.texts import FRAGMENTS, texts, token_ids
from tracing.core.building.byte_twin import write_byte_twin
from tracing.core.building.packing import write_pack
from tracing.core.bytes.twin import NO_TEXT, ByteTwin, as_bytes, should_have_twin, twin_name
from tracing.core.documents.view import read_document
from tracing.core.errors import StoreDamaged, StoreMismatch
from tracing.core.matching.spans import Span
from tracing.core.result import Trace
from tracing.core.stores.pack import Pack
from tracing.core.stores.store import TokenStore
from tracing.core.text.layout import TextLayout
from tracing.core.text.tokenizer import TextTokenizer
from tracing.core.trace import Tracer, TraceRequest

TOKENIZER = text_tokenizer()
Documents = Sequence[Sequence[int]]


@contextlib.contextmanager
def twins_of(*collections: Documents, **options: Any) -> Iterator[list[ByteTwin]]:
    """Stores of these collections with their byte twins."""
    with tempfile.TemporaryDirectory(dir=IN_MEMORY) as directory, contextlib.ExitStack() as stack:
        twins = []
        for number, documents in enumerate(collections):
            store = stack.enter_context(write_store(Path(directory) / f"s{number}", documents, **options))
            path = Path(directory) / twin_name(store.manifest)
            write_byte_twin(path, store, TOKENIZER)
            twins.append(ByteTwin(store, stack.enter_context(TokenStore.open(path))))
        yield twins


def traced(twins: Sequence[ByteTwin], ids: Sequence[int], **options: Any) -> Trace:
    tracer = Tracer([twin.store for twin in twins], TOKENIZER, twins=twins)
    return tracer.trace(TraceRequest(token_ids=ids, **{"density": 1.0, "min_tokens": 2} | options))


def on_bytes(trace: Trace) -> list[tuple[int, int]]:
    return [(s.token_start, s.token_end) for s in trace.spans if s.matched_on == "bytes"]


def content(ids: Sequence[int]) -> bytes:
    return as_bytes(TOKENIZER.pieces(ids)).tobytes()


def expected(documents: Documents, ids: Sequence[int], min_tokens: int) -> list[tuple[int, int]]:
    """The pieces to be found on bytes, spelled out."""
    text, offsets = TOKENIZER.decode(ids)
    layout = TextLayout()
    layout.update(text, offsets, [token in TOKENIZER.markup_ids for token in ids], len(text))
    runs = maximal(documents, ids)
    pieces = set()
    for start, stop in maximal([list(content(document)) for document in documents], list(text.encode())):
        places = [
            k
            for k in range(len(text))
            if start <= len(text[:k].encode()) and len(text[: k + 1].encode()) <= stop
        ]
        inside = [
            k for k, (a, b) in enumerate(offsets)
            if all(place in places or text[place].isspace() for place in range(a, b))
            and (a < b or (places and places[0] <= a <= places[-1] + 1))
        ]  # fmt: skip
        for run in stretches(inside):
            pieces |= set(layout.pieces(run[0], run[-1] + 1))
    long = {(a, b) for a, b in pieces if b - a >= min_tokens}
    new = {(a, b) for a, b in long if not any(s <= a and b <= e for s, e in runs)}
    return sorted((a, b) for a, b in new if not any((s, e) != (a, b) and s <= a and b <= e for s, e in new))


def stretches(numbers: Sequence[int]) -> list[list[int]]:
    """Runs of numbers without a gap."""
    found: list[list[int]] = []
    for number in numbers:
        if found and found[-1][-1] == number - 1:
            found[-1].append(number)
        else:
            found.append([number])
    return found


FRAGMENT = st.sampled_from(FRAGMENTS)


@st.composite
def cut(draw: st.DrawFn, text: str) -> list[int]:
    """Ids of a text that is encoded in parts: other ids of the same text."""
    places = draw(st.lists(st.integers(0, len(text)), max_size=4))
    return split(text, *sorted(places))


@st.composite
def cases(draw: st.DrawFn) -> tuple[list[list[int]], list[int]]:
    """Documents, and ids of a text that shares parts with them."""
    shared = draw(st.lists(FRAGMENT, min_size=1, max_size=4).map("".join))
    words = st.lists(FRAGMENT, max_size=2).map("".join)
    around = st.tuples(words, words).map(lambda pair: pair[0] + shared + pair[1])
    documents = draw(st.lists(st.one_of(around.flatmap(cut), texts(3)), min_size=1, max_size=3))
    return documents, draw(around.flatmap(cut))


@given(cases(), st.integers(1, 4))
@settings(max_examples=80, deadline=None)
def test_all_that_token_boundaries_hide_is_found_and_nothing_else(
    case: tuple[list[list[int]], list[int]], min_tokens: int
) -> None:
    documents, ids = case
    with twins_of(documents) as twins:
        trace = traced(twins, ids, min_tokens=min_tokens)
    assert on_bytes(trace) == expected(documents, ids, min_tokens)
    for span in trace.spans:
        if span.matched_on == "bytes":
            counted = occurrences([list(content(d)) for d in documents], list(span.text.encode()))
            assert span.count == counted > 0
            assert span.stages == {"pretrain": counted}
            assert_shown(trace, span.documents, span.text)


def assert_shown(trace: Trace, numbers: Sequence[int], text: str) -> None:
    assert numbers
    for number in numbers:
        snippet = trace.documents[number].snippet
        marked = [snippet.text[a:b] for a, b in snippet.matches]
        assert text in marked


HIDDEN = "Join two or more pathname components, inserting as needed."


def split(text: str, *places: int) -> list[int]:
    """Ids of the text with token boundaries at these places, whatever the tokenizer would do."""
    bounds = [0, *places, len(text)]
    return [t for a, b in itertools.pairwise(bounds) for t in TOKENIZER.encode(text[a:b])[0]]


def test_the_same_words_in_other_tokens_are_found_and_marked_to_the_letter() -> None:
    document = split("xx" + HIDDEN + "yy", 1, 5, 8, 12, 15, 17, 20, 24, 33, 35, 40, 47)
    answer = TOKENIZER.encode(HIDDEN)[0]
    with twins_of([token_ids(["nothing of it"]), document]) as twins:
        found = traced(twins, answer, min_tokens=6).to_json()
        alone = Tracer([twins[0].store], TOKENIZER).trace(TraceRequest(token_ids=answer)).to_json()
    assert alone["spans"] == []
    (span,) = found["spans"]
    assert (span["matched_on"], span["text"], span["count"]) == ("bytes", HIDDEN, 1)
    (shown,) = found["documents"]
    assert shown["document"] == 1
    assert [shown["snippet"][a:b] for a, b in shown["matches"]] == [HIDDEN]
    assert found["coverage"]["share"] == 1.0


def test_it_is_searched_beside_a_store_whichever_engine_searches_that() -> None:
    document = split("xx" + HIDDEN + "yy", 1, 5, 8, 12, 15, 17, 20, 24, 33, 35, 40, 47)
    request = TraceRequest(token_ids=TOKENIZER.encode(HIDDEN)[0], min_tokens=6, density=1.0)
    with twins_of([document]) as twins, searched_by("infini-gram", [twins[0].store]) as chosen:
        ours = Tracer([twins[0].store], TOKENIZER, twins=twins).trace(request).to_json()
        theirs = Tracer(chosen, TOKENIZER, twins=twins).trace(request).to_json()
    assert [span for span in ours["spans"] if span.get("matched_on") == "bytes"]
    assert (theirs["spans"], theirs["documents"]) == (ours["spans"], ours["documents"])


def test_what_is_matched_on_tokens_is_not_repeated() -> None:
    ids = TOKENIZER.encode(HIDDEN)[0]
    with twins_of([ids, split(HIDDEN, 3)]) as twins:
        spans = traced(twins, ids, min_tokens=6).spans
    assert [span.matched_on for span in spans] == ["tokens"]


def test_other_white_space_is_another_text() -> None:
    with twins_of([split(HIDDEN.replace(" ", "  "), 3), split(HIDDEN.replace(" ", "\u00a0"), 3)]) as twins:
        assert on_bytes(traced(twins, TOKENIZER.encode(HIDDEN)[0], min_tokens=6)) == []


def test_characters_of_several_bytes_are_found_whole_where_tokens_cut_them() -> None:
    text = "日本 😀 é 日本語 ok"
    document = [token for byte in text.encode() for token in byte_token(byte)]
    answer = TOKENIZER.encode(text)[0]
    assert answer != document
    with twins_of([document]) as twins:
        spans = traced(twins, answer, min_tokens=3).spans
    assert [span.text for span in spans if span.matched_on == "bytes"] == [text]


def byte_token(byte: int) -> list[int]:
    """The token of one byte alone."""
    return [n for n in range(TOKENIZER.vocab_size) if TOKENIZER.pieces([n]) == [bytes([byte])]][:1]


def test_a_match_at_the_first_and_at_the_last_byte_of_a_store() -> None:
    ids = split(HIDDEN, 7)
    for documents in ([ids], [ids, [5]], [[5], ids], [[], ids, []]):
        with twins_of(documents) as twins:
            spans = traced(twins, TOKENIZER.encode(HIDDEN)[0], min_tokens=6).spans
        assert [span.text for span in spans if span.matched_on == "bytes"] == [HIDDEN]


def test_several_stores_shards_and_packs_lead_to_the_right_document() -> None:
    filler = [token_ids(["ones: 7 + 8 = 15."])] * 20
    hidden = split(HIDDEN, 7)
    collections = [[*filler, hidden, *filler], filler, [*filler, *filler, hidden]]
    with twins_of(*collections, shard_bytes=200) as twins, tempfile.TemporaryDirectory() as directory:
        stores = [twin.store for twin in twins]
        write_pack(Path(directory) / "pack", stores)
        with TokenStore.open(Path(directory) / "pack") as opened:
            packed = Tracer(stores, TOKENIZER, [Pack(opened, stores)], twins)
            for tracer in (Tracer(stores, TOKENIZER, twins=twins), packed):
                found = tracer.trace(TraceRequest(token_ids=TOKENIZER.encode(HIDDEN)[0]))
                spans = [span for span in found.spans if span.matched_on == "bytes"]
                assert [(span.text, span.count) for span in spans] == [(HIDDEN, 2)]
                assert {(d.store, d.document) for d in found.documents} == {("s0", 20), ("s2", 40)}


def test_withheld_documents_cost_no_place_here_either() -> None:
    request = TraceRequest(token_ids=TOKENIZER.encode(HIDDEN)[0], max_documents=10)
    with twins_of([split(HIDDEN, 7)] * 40) as twins:
        tracer = Tracer([twins[0].store], TOKENIZER, twins=twins)
        found = tracer.trace(request, withheld=lambda _, numbers: {n: "blocked" for n in numbers if n % 2})
    assert len(found.documents) == 10
    assert not [document.document for document in found.documents if document.document % 2]
    assert {entry["reason"] for entry in found.withheld} == {"blocked"}
    for document in found.documents:
        assert [document.snippet.text[a:b] for a, b in document.snippet.matches] == [HIDDEN]


@given(cases(), st.integers(1, 4))
@settings(max_examples=40, deadline=None)
def test_raw_traces_have_every_run_of_tokens_and_the_spans_on_bytes_of_the_unbounded_trace(
    case: tuple[list[list[int]], list[int]], min_tokens: int
) -> None:
    documents, ids = case
    with twins_of(documents) as twins:
        raw = traced(twins, ids, raw=True, density=0.0, min_tokens=min_tokens)
        whole = traced(twins, ids, min_tokens=min_tokens)
        alone = Tracer([twins[0].store], TOKENIZER).trace(TraceRequest(token_ids=ids, raw=True))
    by_kind = [[bare(s) for s in trace.spans if s.matched_on == "bytes"] for trace in (raw, whole)]
    assert by_kind[0] == by_kind[1]
    assert on_bytes(raw) == expected(documents, ids, min_tokens)
    assert [span for span in raw.spans if span.matched_on == "tokens"] == list(alone.spans)
    assert [(s.token_start, s.token_end) for s in raw.spans] == sorted(
        (s.token_start, s.token_end) for s in raw.spans
    )
    assert raw.documents == ()


def bare(span: Span) -> Span:
    """The span without its documents, which raw traces have none of."""
    return replace(span, documents=(), relevance=None)


@given(st.lists(st.binary(min_size=0, max_size=6), max_size=6))
def test_the_bytes_are_those_of_the_tokens_and_text_where_they_are_text(pieces: list[bytes]) -> None:
    data, given_ = as_bytes(pieces).tobytes(), b"".join(pieces)
    assert len(data) == len(given_)
    assert 0xFF not in data
    assert data.replace(bytes([NO_TEXT]), b"").decode() == given_.decode(errors="ignore")


def test_a_twin_of_another_store_or_tokenizer_is_refused(tmp_path: Path) -> None:
    with twins_of([[5, 6]], [[5, 7]]) as (first, second):
        with pytest.raises(StoreMismatch, match="not the byte index of"):
            ByteTwin(first.store, second.twin)
        other = TextTokenizer(tokenizer_json(300).encode(), Path("tokenizer.json"))
        with pytest.raises(StoreMismatch, match="was written with tokenizer"):
            write_byte_twin(tmp_path / "twin", first.store, other)
        assert should_have_twin(first.store.manifest)


def test_a_damaged_twin_gives_an_error_and_no_answer() -> None:
    with twins_of([split(HIDDEN, 7)]) as twins:
        file = twins[0].twin.path / "table.0"
        file.write_bytes(bytes(byte ^ 1 for byte in file.read_bytes()))
        with pytest.raises(StoreDamaged):
            traced(twins, TOKENIZER.encode(HIDDEN)[0])


@given(
    st.text("ab é日\n", max_size=12),
    st.lists(st.integers(0, 12), max_size=6),
    st.text("ab é日\n", max_size=4),
)
@settings(max_examples=80, deadline=None)
def test_a_documents_page_marks_the_same_words_in_other_tokens(
    text: str, places: list[int], words: str
) -> None:
    document = split(text, *sorted(min(place, len(text)) for place in places))
    span = TOKENIZER.encode(words)[0]
    with twins_of([document]) as twins:
        view = read_document(twins[0].store, 0, TOKENIZER, span)
    assert view.text == text
    marked = {text[start:end] for start, end in view.matches}
    assert marked <= {words, words.strip()}
    assert bool(marked) == ((bool(words.strip()) and words.strip() in text) or any_tokens(document, span))


def any_tokens(document: Sequence[int], span: Sequence[int]) -> bool:
    return bool(span) and occurrences([document], span) > 0


def test_a_mark_in_other_tokens_runs_over_the_pages_of_a_document() -> None:
    document = split("xx" + HIDDEN + "yy", 1, 5, 8, 12, 15, 17, 20, 24, 33, 35, 40, 47)
    with twins_of([document]) as twins:
        pages = [
            read_document(
                twins[0].store, 0, TOKENIZER, TOKENIZER.encode(HIDDEN)[0], page=page, page_tokens=10
            )
            for page in range(1, -(-len(document) // 10) + 1)
        ]
    assert "".join(view.text[a:b] for view in pages for a, b in view.matches) == HIDDEN
    assert {view.total_matches for view in pages} == {1}


@given(cases(), st.integers(1, 4))
@settings(max_examples=25, deadline=None)
def test_one_store_and_the_same_documents_in_eight_give_one_trace(
    case: tuple[list[list[int]], list[int]], min_tokens: int
) -> None:
    documents, ids = [*case[0], [], [5], *case[0], [6, 5], []][:8], case[1]
    documents += [[]] * (8 - len(documents))
    with twins_of(documents) as one, twins_of(*[[document] for document in documents]) as eight:
        found = [
            traced(twins, ids, min_tokens=min_tokens, max_documents=8).to_json() for twins in (one, eight)
        ]
    together, apart = ([shown(span, trace) for span in trace["spans"]] for trace in found)
    assert together == apart
    assert found[0]["coverage"] == found[1]["coverage"]


def shown(span: dict[str, Any], trace: dict[str, Any]) -> tuple[Any, ...]:
    """What a span says, with what its documents show in place of their numbers: their text, and the words
    marked in it. Where words stand in a document twice, either place may have been drawn."""
    said = {name: value for name, value in span.items() if name not in ("documents", "relevance")}
    documents = [trace["documents"][number] for number in span["documents"]]
    return said, sorted((document["snippet"], marked_words(document)) for document in documents)


def marked_words(document: dict[str, Any]) -> set[str]:
    return {document["snippet"][start:end] for start, end in document["matches"]}
