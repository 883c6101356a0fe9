"""Registering stores and opening them once a process, on real stores and real threads."""

import shutil
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.conf import settings

from tracing.cache import Cache
from tracing.core.building.writer import StoreWriter
from tracing.core.errors import StoreDamaged, StoreMissing
from tracing.models import Store
from tracing.services import open_searched, open_store, register_store


@pytest.fixture
def published(request: pytest.FixtureRequest) -> Iterator[Path]:
    path: Path = settings.HOME / "stores" / f"{request.node.name[:40]}"
    described = {"tokenizer": "sha256:0", "stage": "pretrain", "source": "tests", "licence": "CC0"}
    with StoreWriter(path, name="s", dtype="u16", **described) as writer:
        writer.add([1, 2, 3], {"id": "a"})
        writer.add([4, 5], {"id": "b"})
        writer.publish()
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.mark.django_db
def test_registering_twice_makes_one_row_that_says_what_the_manifest_says(published: Path) -> None:
    first, second = register_store(published), register_store(published)
    assert first == second
    row = Store.objects.get(name=published.name)
    assert (row.documents, row.tokens, row.stage, row.licence) == (2, 5, "pretrain", "CC0")
    assert row.digest.startswith("sha256:")


@pytest.mark.django_db
def test_a_missing_or_damaged_store_is_not_registered(published: Path) -> None:
    with pytest.raises(StoreMissing):
        register_store(published.with_name("nowhere"))
    manifest = published / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"documents": 2', '"documents": 3'))
    with pytest.raises(StoreDamaged):
        register_store(published)
    assert not Store.objects.exists()


@pytest.mark.django_db
def test_a_store_is_opened_once_for_all_threads(published: Path) -> None:
    store = register_store(published)
    with ThreadPoolExecutor(8) as threads:
        opened = set(threads.map(open_store, [store] * 32))
    assert len(opened) == 1
    assert opened.pop().token_ids(1).tolist() == [4, 5]


@pytest.mark.django_db
def test_a_store_that_failed_is_read_again_once_it_is_restored(published: Path) -> None:
    """Restored as people do it: another file under the old name, in a site that goes on running."""
    store, tokens = register_store(published), published / "tokenized.0"
    before, sound = open_store(store), (published / "tokenized.0").read_bytes()
    tokens.write_bytes(sound[:-2])
    with pytest.raises(StoreDamaged):
        before.token_ids(1)
    with pytest.raises(StoreDamaged):
        open_store(store)
    restored = published / "restored"
    restored.write_bytes(sound)
    restored.replace(tokens)
    assert open_store(store).token_ids(1).tolist() == [4, 5]
    assert open_searched(store) is open_store(store) is not before


def test_a_cache_makes_each_value_once_however_many_wait_for_it() -> None:
    cache: Cache[int, object] = Cache(size=4)
    made, gate = [], threading.Event()

    def make() -> object:
        gate.wait(10)
        made.append(1)
        return object()

    with ThreadPoolExecutor(8) as threads:
        waiting = [threads.submit(cache.get, 1, make) for _ in range(8)]
        gate.set()
        assert len({future.result() for future in waiting}) == 1
    assert made == [1]


def test_a_cache_forgets_the_value_used_longest_ago_and_no_failure_is_kept() -> None:
    cache: Cache[int, int] = Cache(size=2)

    def fail() -> int:
        raise ValueError("no")

    assert [cache.get(key, lambda key=key: key * 10) for key in (1, 2)] == [10, 20]
    with pytest.raises(ValueError, match="no"):
        cache.get(3, fail)
    assert cache.get(3, lambda: 30) == 30
    assert cache.get(2, lambda: -1) == 20
    assert cache.get(1, lambda: 11) == 11
    assert cache.get(3, lambda: 31) == 31
