"""Many traces at once, in threads and in processes, answer alike and share the stores' memory."""

import json
import multiprocessing
import tempfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from tests.tracing.support.stores import IN_MEMORY, text_tokenizer, write_store
from tracing.core.stores.store import TokenStore
from tracing.core.trace import Tracer, TraceRequest

TRACES, PROCESSES = 64, 3
DOCUMENTS = [np.random.default_rng(n).zipf(1.3, 1000).clip(max=300).tolist() for n in range(300)]
QUERIES = [[token for document in DOCUMENTS[n::50] for token in document[n : n + 40]] for n in range(8)]


@pytest.fixture(scope="module")
def path() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir=IN_MEMORY) as directory:
        write_store(Path(directory) / "store", DOCUMENTS, shard_bytes=200_000).close()
        yield Path(directory) / "store"


def traced(tracer: Tracer, number: int) -> str:
    found = tracer.trace(TraceRequest(token_ids=QUERIES[number % len(QUERIES)], density=1.0)).to_json()
    del found["timing_ms"]
    return json.dumps(found)


@pytest.fixture(scope="module")
def right(path: Path) -> list[str]:
    with TokenStore.open(path) as store:
        tracer = Tracer([store], text_tokenizer())
        return [traced(tracer, number) for number in range(TRACES)]


def test_threads_that_share_a_tracer_answer_alike(path: Path, right: list[str]) -> None:
    """None of its blocks has been checked when they begin."""
    with TokenStore.open(path, check_at_open_bytes=0) as store, ThreadPoolExecutor(TRACES) as threads:
        tracer = Tracer([store], text_tokenizer())
        assert list(threads.map(lambda number: traced(tracer, number), range(TRACES))) == right


def trace_in_process(path: Path, numbers: list[int]) -> tuple[list[str], int, int]:
    """The traces; and of the store's mappings the bytes in memory, and those that are this process's own."""
    with TokenStore.open(path) as store, ThreadPoolExecutor(8) as threads:
        tracer = Tracer([store], text_tokenizer())
        found = list(threads.map(lambda number: traced(tracer, number), numbers))
        return found, *mapped_bytes(path)


def mapped_bytes(path: Path) -> tuple[int, int]:
    """(resident, own): own are copies that this process made of pages, which nobody can share."""
    resident, own, inside = 0, 0, False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        name, *values = line.split()
        if not name.endswith(":"):
            inside = str(path) in line
        elif inside and name == "Rss:":
            resident += 1024 * int(values[0])
        elif inside and name == "Anonymous:":
            own += 1024 * int(values[0])
    return resident, own


@pytest.mark.skipif(not Path("/proc/self/smaps").exists(), reason="reads /proc/self/smaps")
def test_processes_answer_alike_and_share_one_copy_of_the_store(path: Path, right: list[str]) -> None:
    spawn = multiprocessing.get_context("spawn")
    parts = [list(range(TRACES))[number::PROCESSES] for number in range(PROCESSES)]
    with ProcessPoolExecutor(PROCESSES, mp_context=spawn) as processes:
        for numbers, answer in zip(
            parts, processes.map(trace_in_process, [path] * PROCESSES, parts), strict=True
        ):
            found, resident, own = answer
            assert found == [right[number] for number in numbers]
            assert resident >= (path / "table.0").stat().st_size
            assert own == 0
