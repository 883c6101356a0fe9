"""A whole trace, as programs receive it."""

import json
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import numpy as np
import pytest

from tests.tracing.support.stores import stores_of, text_tokenizer
from tracing.core.errors import Cancelled, InputError, StoreMismatch
from tracing.core.matching.warm_up import warm_up
from tracing.core.result import merge_spans
from tracing.core.trace import Trace, Tracer, TraceRequest

TOKENIZER = text_tokenizer()
SENTENCE = "Join two or more pathname components."


def encode(text: str) -> list[int]:
    return TOKENIZER.encode(text)[0]


def test_the_answer_has_the_shape_that_programs_rely_on() -> None:
    ids = encode(f"é {SENTENCE} carry 1.")
    with stores_of([encode(f"x {SENTENCE}")] * 2, [[1]], stage="pretrain") as stores:
        tracer = Tracer(stores, TOKENIZER)
        seen = {"times": 1, "first_step": 3, "last_step": 3, "before": "a", "after": "b"}
        answer = tracer.trace(TraceRequest(token_ids=ids), seen=lambda *document: seen).to_json()
        digests = [store.manifest.digest for store in stores]
    assert json.loads(json.dumps(answer)) == answer
    assert set(answer) == {
        *("object", "indexes", "text", "token_ids", "spans", "documents", "coverage", "withheld", "timing_ms")
    }
    assert answer["object"] == "trace"
    assert answer["indexes"][0] == {
        "name": "store0",
        "stage": "pretrain",
        "digest": digests[0],
        "tokens": 2 * len(encode(f"x {SENTENCE}")),
        "documents": 2,
        "answered": True,
    }
    assert answer["token_ids"] == ids
    [span] = answer["spans"]
    assert set(span) == {
        *("start", "end", "token_start", "token_end", "text", "count"),
        *("log_probability", "matched_on", "relevance", "stages", "documents"),
    }
    assert (span["text"], span["count"], span["stages"]) == (SENTENCE, 2, {"pretrain": 2})
    assert answer["text"][span["start"] : span["end"]] == SENTENCE
    document = answer["documents"][span["documents"][0]]
    assert set(document) == {
        *(
            "id",
            "corpus",
            "stage",
            "source",
            "url",
            "title",
            "licence",
            "snippet",
            "matches",
            "relevance",
            "seen",
        ),
        *("store", "document", "repeats"),
    }
    assert [document["snippet"][start:end] for start, end in document["matches"]] == [SENTENCE]
    assert (document["stage"], document["licence"], document["seen"]) == ("pretrain", "PSF-2.0", seen)
    assert set(answer["coverage"]) == {"share", "longest_span_tokens", "novel_share"}
    assert set(answer["timing_ms"]) == {"match", "documents", "rank", "total"}
    assert answer["withheld"] == []


def test_coverage_is_by_tokens_of_the_spans_shown_and_of_all_long_runs() -> None:
    ids = encode(f"{SENTENCE} 日本")
    with stores_of([encode(SENTENCE)]) as stores:
        found = Tracer(stores, TOKENIZER).trace(TraceRequest(token_ids=ids))
    size = len(encode(SENTENCE))
    assert found.coverage.share == pytest.approx(size / len(ids))
    assert found.coverage.novel_share == pytest.approx(1 - size / len(ids))
    assert found.coverage.longest_span_tokens == size


def test_a_trace_can_be_limited_to_stages() -> None:
    ids = encode(SENTENCE)
    with stores_of([ids], stage="pretrain") as one, stores_of([ids], [ids], stage="think-sft") as two:
        tracer = Tracer([*one, *two], TOKENIZER)
        assert tracer.trace(TraceRequest(token_ids=ids)).spans[0].stages == {"pretrain": 1, "think-sft": 2}
        only = tracer.trace(TraceRequest(token_ids=ids, stages=("think-sft",)))
        assert only.spans[0].stages == {"think-sft": 2}
        assert [index.stage for index in only.indexes] == ["think-sft"] * 2
        with pytest.raises(InputError, match="think-dpo"):
            tracer.trace(TraceRequest(token_ids=ids, stages=("think-dpo",)))


@pytest.mark.parametrize(
    "options",
    [
        {"token_ids": []},
        {"token_ids": [1] * 65_537},
        {"token_ids": ["1"]},
        {"token_ids": [1.0]},
        {"token_ids": None},
    ]
    + [
        {"token_ids": [1], **wrong}
        for wrong in ({"max_documents": -1}, {"max_documents": 1000}, {"seed": -1})
    ]
    + [
        {"token_ids": [1], **wrong}
        for wrong in ({"text": "a"}, {"text": "a", "offsets": []}, {"text": "a", "offsets": [(0, 2)]})
    ],
)
def test_unusable_requests_are_refused(options: dict) -> None:
    with pytest.raises(InputError):
        TraceRequest(**options)


@pytest.mark.parametrize("token", [-1, TOKENIZER.vocab_size, 65535, 10**9])
def test_ids_outside_the_vocabulary_are_refused(token: int) -> None:
    with stores_of([[1, 2]]) as stores:
        tracer = Tracer(stores, TOKENIZER)
        with pytest.raises(InputError):
            tracer.trace(TraceRequest(token_ids=[1, token]))
        with pytest.raises(InputError):
            tracer.trace(TraceRequest(token_ids=[1, token], text="ab", offsets=[(0, 1), (1, 2)]))


def test_a_store_of_another_tokenizer_is_a_mismatch() -> None:
    with (
        stores_of([[1, 2]], tokenizer="sha256:00") as stores,
        pytest.raises(StoreMismatch, match="sha256:00"),
    ):
        Tracer(stores, TOKENIZER)


def test_a_model_without_stores_is_refused() -> None:
    with pytest.raises(InputError, match="No store"):
        Tracer([], TOKENIZER)


def test_a_trace_stops_at_whatever_moment_it_is_cancelled() -> None:
    ids = encode(SENTENCE)
    with stores_of([ids]) as stores:
        tracer = Tracer(stores, TOKENIZER)
        asked = count()
        assert tracer.trace(TraceRequest(token_ids=ids), cancelled=lambda: next(asked) < 0).spans
        for moment in range(next(asked)):
            calls = count()
            with pytest.raises(Cancelled):
                tracer.trace(TraceRequest(token_ids=ids), cancelled=lambda m=moment, c=calls: next(c) == m)


def test_the_longest_text_allowed_is_traced() -> None:
    with stores_of([[7] * 100]) as stores:
        found = Tracer(stores, TOKENIZER).trace(TraceRequest(token_ids=[7] * 65_536, raw=True))
    assert len(found.spans) == 65_437
    assert {span.count for span in found.spans} == {1}


def test_concurrent_traces_are_identical_to_one_alone() -> None:
    rng = np.random.default_rng(2)
    words = [encode(word) for word in [*SENTENCE.split(), "carry 1.", "\n", "ones: 7 + 8 = 15."]]
    documents = [[t for n in rng.integers(0, len(words), 60) for t in words[n]] for _ in range(50)]
    requests = [TraceRequest(token_ids=d[:150], seed=n, density=0.2) for n, d in enumerate(documents)]
    with stores_of(documents[:25], documents[25:]) as stores:
        tracer = Tracer(stores, TOKENIZER)
        expected = [without_time(tracer.trace(request)) for request in requests]
        with ThreadPoolExecutor(16) as pool:
            assert list(pool.map(lambda r: without_time(tracer.trace(r)), requests)) == expected


def without_time(found: Trace) -> dict:
    answer = found.to_json()
    del answer["timing_ms"]
    return answer


def test_overlapping_spans_are_painted_as_one() -> None:
    documents = ["a Join two or more pathname x", "b or more pathname components as needed y"]
    with stores_of([encode(document) for document in documents]) as stores:
        text = "q Join two or more pathname components as needed z carry 1."
        request = TraceRequest.of_text(text, TOKENIZER, density=1.0, min_tokens=3)
        found = Tracer(stores, TOKENIZER).trace(request)
    [painted] = merge_spans(found.spans)
    assert found.text[painted.start : painted.end] == "Join two or more pathname components as needed"
    assert painted.spans == (0, 1)
    assert merge_spans([]) == []


def test_warming_up_compiles_what_a_trace_uses() -> None:
    warm_up()
    from tracing.core.matching import kernels, surroundings

    used = (kernels.extend_reaches, kernels.find_ranges, surroundings.locate, surroundings.score_windows)
    before = [len(kernel.signatures) for kernel in used]
    with stores_of([encode(SENTENCE)]) as stores:
        assert Tracer(stores, TOKENIZER).trace(TraceRequest(token_ids=encode(SENTENCE))).documents
    assert before == [len(kernel.signatures) for kernel in used] == [1, 1, 1, 1]
