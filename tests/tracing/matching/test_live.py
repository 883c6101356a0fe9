"""Following a stream: after every token, the spans of the whole text so far."""

import dataclasses
import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tracing.support.brute import corpora, maximal
from tests.tracing.support.stores import stores_of, text_tokenizer
from tests.tracing.support.texts import texts
from tracing.core.errors import InputError
from tracing.core.matching.spans import Span, SpanOptions
from tracing.core.trace import Tracer, TraceRequest

TOKENIZER = text_tokenizer()


def batch(tracer: Tracer, ids: list[int], options: SpanOptions) -> list[Span]:
    request = TraceRequest(token_ids=ids, max_documents=0, **dataclasses.asdict(options))
    return [dataclasses.replace(span, relevance=None) for span in tracer.trace(request).spans]


@given(
    st.lists(texts(10), min_size=1, max_size=5),
    texts(14),
    st.sampled_from(
        [SpanOptions(min_tokens=2, density=0.2), SpanOptions(min_tokens=1, density=1), SpanOptions(raw=True)]
    ),
)
@settings(max_examples=200, deadline=None)
def test_after_every_token_the_spans_are_those_of_a_whole_trace(
    documents: list[list[int]], ids: list[int], options: SpanOptions
) -> None:
    with stores_of(documents[:1], documents[1:] or [[]]) as stores:
        tracer = Tracer(stores, TOKENIZER)
        live = tracer.live(options)
        for stop in range(1, len(ids) + 1):
            live.push(ids[stop - 1 : stop])
            assert live.spans() == batch(tracer, ids[:stop], options)
            assert live.text == TOKENIZER.decode(ids[:stop])[0]


@given(corpora())
@settings(max_examples=200, deadline=None)
def test_the_open_match_is_the_longest_suffix_that_occurs(
    case: tuple[str, list[list[int]], list[int]],
) -> None:
    kind, documents, ids = case
    known = TOKENIZER.vocab_size
    documents, ids = [[token % known % 255 for token in d] for d in documents], [t % known % 255 for t in ids]
    with stores_of(documents, dtype=kind) as stores:
        live = Tracer(stores, TOKENIZER).live()
        for stop in range(1, len(ids) + 1):
            live.push(ids[stop - 1 : stop])
            assert live.maximal() == maximal(documents, ids[:stop])


@given(st.lists(texts(10), min_size=1, max_size=3), texts(14), st.lists(st.integers(0, 60), max_size=5))
@settings(max_examples=100, deadline=None)
def test_pushing_many_tokens_at_once_is_pushing_them_one_by_one(
    documents: list[list[int]], ids: list[int], cuts: list[int]
) -> None:
    options = SpanOptions(min_tokens=2, density=0.5)
    with stores_of(documents) as stores:
        tracer = Tracer(stores, TOKENIZER)
        live = tracer.live(options)
        for start, stop in itertools.pairwise([0, *sorted(min(cut, len(ids)) for cut in cuts), len(ids)]):
            live.push(ids[start:stop])
        assert not ids or live.spans() == batch(tracer, ids, options)


def test_a_push_returns_what_is_new_or_changed() -> None:
    text = "ones: 7 + 8 = 15. carry 1."
    ids = TOKENIZER.encode(text)[0]
    with stores_of([ids]) as stores:
        live = Tracer(stores, TOKENIZER).live(SpanOptions(min_tokens=3, density=1))
        pushed = [[span.text for span in live.push([token])] for token in ids]
        assert [texts[-1] for texts in pushed if texts][-1] == "carry 1."
        assert live.push([]) == []
    assert ["ones: 7 + 8 = 15."] in pushed


def test_an_unknown_id_is_refused_and_the_stream_goes_on() -> None:
    ids = TOKENIZER.encode("ones: 7 + 8 = 15.")[0]
    with stores_of([ids]) as stores:
        live = Tracer(stores, TOKENIZER).live()
        live.push(ids[:4])
        for wrong in ([TOKENIZER.vocab_size], [-1], [ids[4], 65535]):
            with pytest.raises(InputError):
                live.push(wrong)
        live.push(ids[4:])
        assert [span.text for span in live.spans()] == ["ones: 7 + 8 = 15."]


def test_a_live_trace_of_some_stages_sees_only_their_stores() -> None:
    ids = TOKENIZER.encode("ones: 7 + 8 = 15.")[0]
    with stores_of([ids], stage="pretrain") as one, stores_of([[1]], stage="think-sft") as two:
        tracer = Tracer([*one, *two], TOKENIZER)
        live = tracer.live(stages=("think-sft",))
        live.push(ids)
        assert live.spans() == []
