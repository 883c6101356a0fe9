"""A long trace is bounded, and ends soon after nobody waits for it, whatever it is at."""

import threading
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tracing.support.stores import stores_of, text_tokenizer
from tracing.core.cancelling import cancellable, paced, stop_if_cancelled, watched
from tracing.core.documents.sampling import DOCUMENTS_MAX
from tracing.core.errors import Cancelled
from tracing.core.request import TOKENS_MAX
from tracing.core.trace import Tracer, TraceRequest

ONE_TOKEN = [[7] * 30_000] * 3
MANY_SPANS = [[token % 300 + 3 for token in range(number, number + 200)] for number in range(300)]


@given(st.integers(0, 20_000))
def test_the_parts_cover_everything_once(total: int) -> None:
    parts = list(paced(total))
    assert [place for start, stop in parts for place in range(start, stop)] == list(range(total))


def test_every_part_and_every_long_loop_asks() -> None:
    with cancellable(lambda: True):
        with pytest.raises(Cancelled):
            next(paced(1))
        with pytest.raises(Cancelled):
            stop_if_cancelled()
        with pytest.raises(Cancelled):
            for _ in watched(iter(int, 1)):  # without an end
                pass
    stop_if_cancelled()
    assert list(watched("abc")) == ["a", "b", "c"]


def test_one_thread_does_not_stop_another() -> None:
    with ThreadPoolExecutor(1) as threads, cancellable(lambda: True):
        threads.submit(stop_if_cancelled).result()
        with pytest.raises(Cancelled):
            threads.submit(copy_context().run, stop_if_cancelled).result()


@pytest.mark.parametrize(
    ("documents", "request_"),
    [
        (ONE_TOKEN, TraceRequest(token_ids=[7] * 20_000)),
        (ONE_TOKEN, TraceRequest(token_ids=[7] * 20_000, raw=True)),
        (
            MANY_SPANS,
            TraceRequest(
                token_ids=[(n * n // 7) % 300 + 3 for n in range(20_000)], density=1.0, min_tokens=1
            ),
        ),
    ],
    ids=["one token", "one token, raw", "as many spans as there can be"],
)
def test_the_longest_traces_can_be_stopped_wherever_they_are(
    documents: list[list[int]], request_: TraceRequest
) -> None:
    with stores_of(documents) as stores:
        tracer, asked = Tracer(stores, text_tokenizer()), 0

        def count() -> bool:
            nonlocal asked
            asked += 1
            return False

        tracer.trace(request_, count)
        for stop_at in {1, 2, 3, max(1, asked // 8)}:  # how often it asks depends on how fast it is
            left = iter([False] * (stop_at - 1) + [True])
            with pytest.raises(Cancelled):
                tracer.trace(request_, lambda left=left: next(left))


def test_a_trace_that_was_stopped_leaves_the_tracer_as_it_was() -> None:
    with stores_of(MANY_SPANS) as stores:
        tracer, request = Tracer(stores, text_tokenizer()), TraceRequest(token_ids=MANY_SPANS[0])
        before, stopped = tracer.trace(request).spans, threading.Event()
        stopped.set()
        with pytest.raises(Cancelled):
            tracer.trace(request, stopped.is_set)
        assert tracer.trace(request).spans == before


def test_the_longest_text_with_all_its_spans_and_documents_fits_in_memory() -> None:
    """65,536 tokens, each a span of its own, and a hundred documents asked for each."""
    documents = [[token] for token in range(300)] * 60
    token_ids = [n % 300 for n in range(TOKENS_MAX)]
    with stores_of(documents) as stores:
        tracer = Tracer(stores, text_tokenizer())
        tracemalloc.start()
        try:
            found = tracer.trace(
                TraceRequest(token_ids=token_ids, density=1.0, min_tokens=1, max_documents=100)
            )
            _, peak_bytes = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert sum(len(span.documents) for span in found.spans) <= DOCUMENTS_MAX
        assert peak_bytes < 1 << 30
