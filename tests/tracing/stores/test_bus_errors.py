"""A mapped file that loses its bytes while somebody reads them ends no process, and gives no wrong answer."""

import gc
import mmap
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.tracing.support.stores import IN_MEMORY, text_tokenizer, write_store
from tracing.core.documents.view import read_document
from tracing.core.errors import StoreDamaged
from tracing.core.matching.corpus import Corpus
from tracing.core.stores import bus_errors
from tracing.core.stores.store import TokenStore
from tracing.core.trace import Tracer, TraceRequest

pytestmark = pytest.mark.skipif(not bus_errors.GUARDS, reason="guards mappings on 64-bit Linux only")
DOCUMENTS = [np.random.default_rng(n).integers(1, 200, 400).tolist() for n in range(200)]
QUERY = [token for document in DOCUMENTS[::20] for token in document[:9]]


@pytest.fixture
def store() -> Iterator[TokenStore]:
    with (
        tempfile.TemporaryDirectory(dir=IN_MEMORY) as directory,
        write_store(Path(directory) / "store", DOCUMENTS) as store,
    ):
        yield store


@pytest.mark.parametrize("name", ["tokenized.0", "table.0", "offset.0"])
def test_a_file_cut_between_the_check_and_the_search_is_an_error(store: TokenStore, name: str) -> None:
    corpus = Corpus([store])
    query = corpus.query(QUERY)
    with pytest.raises(StoreDamaged, match=name.replace(".", r"\.")), corpus.reading():  # noqa: PT012
        os.truncate(store.path / name, 0)
        corpus.longest_matches(query)
        ranks = np.arange(0, store.shards[0].entries, 977)
        corpus.locate(np.zeros_like(ranks), ranks)


def test_a_file_cut_while_a_document_is_read_is_an_error(store: TokenStore) -> None:
    class CutsItself(type(text_tokenizer())):  # type: ignore[misc]
        def stored_pieces(self, token_ids: object) -> list[bytes]:
            os.truncate(store.path / "tokenized.0", 0)
            return super().stored_pieces(token_ids)  # type: ignore[no-any-return]

    tokenizer = CutsItself.__new__(CutsItself)
    tokenizer.__dict__ = text_tokenizer().__dict__
    with pytest.raises(StoreDamaged, match=r"tokenized\.0"):
        read_document(store, 3, tokenizer)


def test_what_was_lost_stays_an_error_until_the_store_is_opened_again(store: TokenStore) -> None:
    """Put back, the file is sound; but the mapping holds zeros where it was once read."""
    tracer, request = Tracer([store], text_tokenizer()), TraceRequest(token_ids=QUERY)
    right, content = tracer.trace(request).spans, (store.path / "table.0").read_bytes()
    with pytest.raises(StoreDamaged), store.reading():  # noqa: PT012
        os.truncate(store.path / "table.0", 0)
        assert not store.shards[0].table.data.any()
    (store.path / "table.0").write_bytes(content)
    with pytest.raises(StoreDamaged, match="open the store again"):
        tracer.trace(request)
    with TokenStore.open(store.path) as again:
        assert Tracer([again], text_tokenizer()).trace(request).spans == right


def test_a_file_written_and_put_back_while_it_was_read_is_an_error(store: TokenStore) -> None:
    """Its checksums are right before and after, but what was read in between may not have been."""
    content = (store.path / "table.0").read_bytes()
    with pytest.raises(StoreDamaged, match="while it was read"), store.reading():  # noqa: PT012
        (store.path / "table.0").write_bytes(bytes(len(content)))
        (store.path / "table.0").write_bytes(content)


def test_files_cut_at_any_moment_end_no_process(store: TokenStore) -> None:
    """Real races: one thread cuts and restores the table, others trace."""
    request = TraceRequest(token_ids=QUERY, density=1.0, min_tokens=3)
    right = Tracer([store], text_tokenizer()).trace(request).spans
    path, outcomes, done = store.path, list[object](), threading.Event()
    content = (path / "table.0").read_bytes()

    def trace() -> None:
        while not done.is_set():
            try:
                with TokenStore.open(path, check_at_open_bytes=0) as own:
                    tracer = Tracer([own], text_tokenizer())
                    while not done.is_set():
                        outcomes.append(tracer.trace(request).spans == right)
            except StoreDamaged:
                outcomes.append(True)
            except Exception as error:  # any other error is a bug
                outcomes.append(error)

    threads = [threading.Thread(target=trace) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(150):
        os.truncate(path / "table.0", 0)
        (path / "table.0").write_bytes(content)
    done.set()
    for thread in threads:
        thread.join()
    assert outcomes
    assert [outcome for outcome in outcomes if outcome is not True] == []


def test_a_mapping_is_let_go_of_with_its_last_view() -> None:
    with tempfile.TemporaryFile(dir=IN_MEMORY) as file:
        file.write(b"a" * 10_000)
        file.flush()
        mapping = mmap.mmap(file.fileno(), 10_000, prot=mmap.PROT_READ)
        data = np.frombuffer(mapping, dtype=np.uint8)
        slot = bus_errors.guard(mapping, data.ctypes.data, data.size)
        os.truncate(file.fileno(), 0)
        assert (int(data[9_999]), bus_errors.lost(slot)) == (0, True)
        del mapping, data
        gc.collect()
        assert not bus_errors.lost(slot)


ELSEWHERE = """
import mmap, os, tempfile
from tracing.core.stores import bus_errors
guarded = mmap.mmap(-1, 4096, prot=mmap.PROT_READ)
bus_errors.guard(guarded, 4096, 4096)
file = tempfile.TemporaryFile()
file.write(b"a")
file.flush()
mapping = mmap.mmap(file.fileno(), 1, prot=mmap.PROT_READ)
os.truncate(file.fileno(), 0)
print(mapping[0])
"""


def test_a_fault_in_somebody_elses_mapping_is_left_to_them() -> None:
    found = subprocess.run([sys.executable, "-c", ELSEWHERE], capture_output=True, check=False)
    assert found.returncode == -signal.SIGBUS
