"""Loading real stores: resumed after a kill, never twice, and re-indexed while people search."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.tracing.search.conftest import OpenIndex
from tests.tracing.support.passages import query
from tests.tracing.support.stores import stores_of, text_tokenizer, tokenizer_json
from tracing.core.errors import StoreDamaged
from tracing.core.search.elastic.elasticsearch_index import ElasticsearchIndex
from tracing.core.search.embedded.tantivy_index import TantivyIndex
from tracing.core.search.index import DEEPEST, Load, SearchIndex
from tracing.core.search.loading import Progress, load_store, remove_stale
from tracing.core.search.query import Query
from tracing.core.stores.store import TokenStore

TEXTS = [f"fish number{k} " + "pond " * (k % 7) for k in range(120)]


@pytest.fixture(scope="module")
def store() -> Iterator[TokenStore]:
    with stores_of([text_tokenizer().encode(text)[0] for text in TEXTS]) as [opened]:
        yield opened


def fish(*stores: TokenStore) -> Query:
    return query("fish", stores=tuple(store.manifest.digest for store in stores))


def load(index: SearchIndex, *stores: TokenStore, rebuild: bool = False) -> None:
    with index.writer(rebuild=rebuild) as writer:
        for one in stores:
            load_store(writer, one, text_tokenizer())
        if rebuild:
            writer.publish()


def test_every_document_is_found_where_it_stands(index: SearchIndex, store: TokenStore) -> None:
    load(index, store)
    digest = store.manifest.digest
    assert index.loads() == {digest: Load(digest, len(TEXTS), len(TEXTS), len(TEXTS))}
    for number in (0, 61, 119):
        asked = query(f"number{number}", stores=(digest,))
        assert [hit.document for hit in index.search(asked, limit=10).hits] == [number]


def test_loading_twice_changes_nothing(index: SearchIndex, store: TokenStore) -> None:
    load(index, store)
    load(index, store)
    assert index.search(fish(store), limit=1).total == len(TEXTS)


def test_progress_is_told_with_an_estimate(index: SearchIndex, store: TokenStore) -> None:
    told: list[Progress] = []
    with index.writer() as writer:
        load_store(writer, store, text_tokenizer(), told.append, commit_tokens=200)
    assert [progress.done for progress in told] == sorted(progress.done for progress in told)
    assert len(told) > 3
    assert all(progress.eta_s is not None and progress.eta_s >= 0 for progress in told)
    assert (told[-1].done, told[-1].documents, told[-1].eta_s) == (len(TEXTS), len(TEXTS), 0)


def test_a_killed_loader_is_resumed_without_gaps_or_doubles(
    open_index: OpenIndex, store: TokenStore, tmp_path: Path
) -> None:
    index = open_index()
    (tmp_path / "tokenizer.json").write_text(tokenizer_json())
    if isinstance(index, TantivyIndex):
        named = ["tantivy", str(index.versions.directory)]
    else:
        assert isinstance(index, ElasticsearchIndex)
        named = [index.connection.index, index.connection.url]
    module = [sys.executable, "-m", "tests.tracing.support.load_slowly"]
    for kill_at in (b"7\n", b"40\n"):
        loader = subprocess.Popen([*module, *named, str(store.path), str(tmp_path)], stdout=subprocess.PIPE)
        assert any(line == kill_at for line in loader.stdout)
        loader.kill()
        loader.wait()
    done = index.loads()[store.manifest.digest].done
    assert 40 <= done < len(TEXTS)
    assert index.search(fish(store), limit=1).total >= done
    load(index, store)
    documents = [hit.document for hit in index.search(fish(store), limit=DEEPEST).hits]
    assert sorted(documents) == list(range(len(TEXTS)))


def test_stores_that_are_not_known_any_more_are_removed(index: SearchIndex, store: TokenStore) -> None:
    with stores_of([text_tokenizer().encode("fish")[0]]) as [other]:
        load(index, store, other)
        with index.writer() as writer:
            assert remove_stale(writer, [store.manifest.digest]) == [other.manifest.digest]
        assert index.search(fish(other), limit=1).total == 0
        assert index.search(fish(store), limit=1).total == len(TEXTS)


def test_a_damaged_document_stops_the_load_and_keeps_what_came_before(index: SearchIndex) -> None:
    documents = [text_tokenizer().encode(text)[0] for text in TEXTS]
    with stores_of(documents) as [opened]:
        data = opened.path / "metadata.0"
        start = data.read_bytes().index(b'"id": "store0-60"')
        opened.close()
        with data.open("r+b") as file:
            file.seek(start)
            file.write(b"!")
        damaged = TokenStore.open(opened.path, check_at_open_bytes=0)
        with damaged, index.writer() as writer, pytest.raises(StoreDamaged):
            load_store(writer, damaged, text_tokenizer(), commit_tokens=100)
        assert all(not load.is_finished for load in index.loads().values())


def test_re_indexing_loses_no_search_meanwhile(open_index: OpenIndex, store: TokenStore) -> None:
    load(open_index(), store)
    with stores_of([text_tokenizer().encode("fish again")[0]] * 30) as [other]:
        finished, totals = threading.Event(), []

        def search_all_the_while() -> None:
            reader = open_index()
            while not finished.is_set():
                totals.append(reader.search(fish(store), limit=10).total)

        with ThreadPoolExecutor(2) as threads:
            searching = [threads.submit(search_all_the_while) for _ in range(2)]
            try:
                for _ in range(4):
                    load(open_index(), store, other, rebuild=True)
            finally:
                finished.set()
            for search in searching:
                search.result()
        assert set(totals) == {len(TEXTS)}
        assert len(totals) > 5
        assert open_index().search(fish(store, other), limit=1).total == len(TEXTS) + 30


def test_an_interrupted_re_indexing_changes_nothing_and_goes_on(
    open_index: OpenIndex, store: TokenStore
) -> None:
    load(open_index(), store)
    with stores_of([text_tokenizer().encode("fish again")[0]]) as [other]:
        with open_index().writer(rebuild=True) as writer:
            load_store(writer, other, text_tokenizer())
        assert set(open_index().loads()) == {store.manifest.digest}
        with open_index().writer(rebuild=True) as writer:
            assert set(writer.loads()) == {other.manifest.digest}
            writer.publish()
        assert set(open_index().loads()) == {other.manifest.digest}
