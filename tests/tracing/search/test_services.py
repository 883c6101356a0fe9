"""Registered stores are loaded, searched, and shown without what is withheld, over both backends."""

import json
import shutil
from pathlib import Path

import pytest
import redis
from celery import current_app
from django.http import QueryDict
from pytest_django import Settings

from accounts.audit import Actor
from tests.tracing.support.search import SearchHome
from tracing.core.errors import InputError, SearchUnavailable
from tracing.models import Store
from tracing.search.backend import search_index
from tracing.search.loading import is_behind
from tracing.search.request import SearchRequest
from tracing.search.results import SPARE_HITS, Loading
from tracing.search.tasks import load_search
from tracing.withholding.acts import restore_documents, take_down

BY = Actor(name="tests")
REFUSALS = r": write |: type |: it can be |: \d+ at most|half a surrogate|NUL character"


def test_documents_are_found_with_all_that_is_known_of_them(search_home: SearchHome) -> None:
    told = {
        "title": "Fish",
        "source": "lib/fish.py:7",
        "url": "https://example.org/fish",
        "date": "2024-05-17",
    }
    search_home.add_store("lib", ["pond", ("A red fish swims.", told)], stage="midtrain", licence="MIT")
    search_home.load()
    [result] = search_home.search('"red fish"').results
    assert (result.store, result.document, result.stage, result.licence) == ("lib", 1, "midtrain", "MIT")
    assert {name: getattr(result, name) for name in told} == told
    assert [result.text[a:b] for a, b in result.matches] == ["red fish"]
    assert (result.page, len(result.highlight) > 0) == (1, True)


def test_counts_say_what_each_choice_would_give(search_home: SearchHome) -> None:
    search_home.add_store("one", ["fish"] * 3, stage="pretrain")
    search_home.add_store("two", ["fish", "pond"], stage="midtrain", licence="MIT")
    search_home.load()
    found = search_home.search("fish", stages=("midtrain",))
    assert found.total == 1
    assert found.counts == {
        "stage": {"pretrain": 3, "midtrain": 1},
        "store": {"two": 1},
        "licence": {"MIT": 1},
    }
    found = search_home.search("fish", stores=("one",))
    assert (found.total, found.counts["store"]) == (3, {"one": 3, "two": 1})


def test_what_is_not_loaded_yet_is_said(search_home: SearchHome) -> None:
    search_home.add_store("one", ["fish"] * 3)
    assert search_home.search("fish").loading == Loading(0, 3)
    search_home.load()
    search_home.add_store("two", ["fish"] * 2)
    assert search_home.search("fish").loading == Loading(3, 5)
    assert is_behind()
    search_home.load()
    assert search_home.search("fish").loading.is_finished
    assert not is_behind()


def test_only_the_named_stores_are_loaded(search_home: SearchHome) -> None:
    for name in ("one", "two"):
        search_home.add_store(name, ["fish"])
    search_home.load(names=["two"])
    assert search_home.found("fish") == [("two", 0)]


def test_a_store_built_again_replaces_the_old_one_at_once_and_in_the_index(search_home: SearchHome) -> None:
    before = search_home.add_store("one", ["fish", "fish"])
    search_home.load()
    after = search_home.add_store("one", ["fish and pond"])
    assert before.digest != after.digest
    assert search_home.found("fish") == []
    search_home.load()
    assert search_home.found("fish") == [("one", 0)]
    assert set(search_index().loads()) == {after.digest}


def test_a_store_that_is_no_longer_registered_is_not_found_and_leaves_the_index(
    search_home: SearchHome,
) -> None:
    search_home.add_store("one", ["fish"])
    search_home.load()
    Store.objects.all().delete()
    assert search_home.search("fish").total == 0
    search_home.load()
    assert search_index().loads() == {}


def test_a_store_that_cannot_be_read_is_said_and_the_others_are_loaded(search_home: SearchHome) -> None:
    for name in ("one", "two", "three"):
        search_home.add_store(name, [f"fish {name}"])
    (search_home.path / "stores" / "two" / "tokenized.0").unlink()
    refused: list[tuple[str, str]] = []
    assert search_home.load(refused=lambda store, error: refused.append((store.name, str(error)))) == 1
    assert [name for name, _ in refused] == ["two"]
    assert "tokenized.0" in refused[0][1]
    assert sorted(search_home.found("fish")) == [("one", 0), ("three", 0)]


def test_documents_that_cannot_be_read_any_more_say_why(search_home: SearchHome) -> None:
    search_home.add_store("one", ["fish"])
    search_home.load()
    shutil.rmtree(search_home.path / "tokenizers")
    [result] = search_home.search("fish").results
    assert "No tokenizer in" in result.error
    assert (result.text, result.title) == ("", "")


def test_withheld_documents_never_appear_and_are_counted(search_home: SearchHome) -> None:
    store = search_home.add_store("one", [f"fish {number}" for number in range(30)])
    search_home.load()
    assert len(search_home.search("fish").results) == 10
    hidden = [number for _, number in search_home.found("fish")][:4]
    rows = take_down(store=store, documents=hidden, note="", by=BY)
    first, second = (search_home.search("fish", page=page) for page in (1, 2))
    shown = [result.document for page in (first, second) for result in page.results]
    assert len(shown) == len(set(shown)) == 20
    assert not set(shown) & set(hidden)
    assert first.withheld == {"taken down": 4}
    last = search_home.search("fish", page=3)
    assert (len(last.results), last.has_more, last.total) == (6, False, 30)
    restore_documents(withholdings=rows, note="", by=BY)
    assert [number for _, number in search_home.found("fish")][:4] == hidden


def test_many_withheld_documents_make_no_page_shorter(search_home: SearchHome) -> None:
    store = search_home.add_store("one", ["fish"] * (SPARE_HITS + 20))
    search_home.load()
    take_down(store=store, documents=list(range(SPARE_HITS + 5)), note="", by=BY)
    first, second = (search_home.search("fish", page=page) for page in (1, 2))
    assert [result.document for result in first.results] == [SPARE_HITS + 5 + k for k in range(10)]
    assert [result.document for result in second.results] == [SPARE_HITS + 15 + k for k in range(5)]
    assert (first.has_more, second.has_more) == (True, False)
    assert first.withheld == {"taken down": SPARE_HITS + 5}


def test_pages_follow_each_other_without_overlap(search_home: SearchHome) -> None:
    search_home.add_store("one", [f"fish {number}" for number in range(25)])
    search_home.load()
    pages = [search_home.search("fish", page=page) for page in (1, 2, 3, 4)]
    assert [(len(page.results), page.has_more) for page in pages] == [
        (10, True),
        (10, True),
        (5, False),
        (0, False),
    ]
    assert len({(r.store, r.document) for page in pages for r in page.results}) == 25


def test_the_task_of_workers_brings_the_index_up_to_date(search_home: SearchHome) -> None:
    search_home.add_store("one", ["fish"])
    load_search()
    load_search()
    assert search_home.found("fish") == [("one", 0)]


def test_a_rebuilt_index_finds_the_same(search_home: SearchHome) -> None:
    search_home.add_store("one", [f"fish {number}" for number in range(12)])
    search_home.load()
    before = search_home.found("fish", limit=50)
    search_home.load(rebuild=True)
    assert search_home.found("fish", limit=50) == before


@pytest.mark.parametrize("damage", ["meta.json", "*.idx", "*.term", "*.store", "*.fast"])
def test_a_damaged_index_is_one_clear_line_and_is_built_anew(
    tmp_path: Path, settings: Settings, db: None, damage: str
) -> None:
    settings.HOME, settings.ELASTICSEARCH_URL = tmp_path, ""
    home = SearchHome(tmp_path)
    home.add_store("one", [f"fish {number}" for number in range(200)])
    home.load()
    [path] = (tmp_path / "search" / "1-000001").glob(damage)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(SearchUnavailable, match=r"build it anew with manage\.py load_search"):
        home.search("fish")
    home.load(rebuild=True)
    assert home.search("fish").total == 200


def test_a_store_that_is_not_registered_cannot_be_asked_for(search_home: SearchHome) -> None:
    with pytest.raises(InputError, match="There is no store 'nowhere' here"):
        search_home.search("fish", stores=("nowhere",))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("match", "most"),
        ("sort", "score"),
        ("page", 0),
        ("page", 101),
        ("page", True),
        ("limit", 51),
        ("limit", -1),
        ("source", "x" * 201),
        ("source", "\ud800"),
        ("model", "a\0b"),
        ("stores", ("\0",)),
        ("stages", ("x",) * 51),
        ("since", "yesterday"),
        ("until", "2024-99"),
        ("q", "***"),
    ],
)
def test_a_request_that_cannot_be_meant_is_refused(field: str, value: object) -> None:
    with pytest.raises(InputError, match=REFUSALS):
        SearchRequest(**{field: value})


def test_an_address_asks_what_its_request_asked() -> None:
    asked = SearchRequest(
        q='"a b" -c', stages=("x y", "z"), stores=("one",), source="lib/&?", until="2024", page=3, sort="date"
    )
    query = QueryDict(asked.address()[1:])
    assert SearchRequest.of_parameters({name: query.getlist(name) for name in query}) == asked
    assert SearchRequest().address() == "?"


@pytest.mark.django_db(transaction=True)
def test_a_registered_store_is_announced_to_the_workers(
    redis_server: redis.Redis, tmp_path: Path, settings: Settings
) -> None:
    settings.HOME = tmp_path
    redis_server.delete("default")
    SearchHome(tmp_path).add_store("one", ["fish"])
    [message] = redis_server.lrange("default", 0, -1)
    assert json.loads(message)["headers"]["task"] == load_search.name
    redis_server.delete("default")


@pytest.mark.django_db(transaction=True)
def test_a_store_is_registered_without_a_broker(
    tmp_path: Path, settings: Settings, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.HOME = tmp_path
    monkeypatch.setattr(current_app.conf, "broker_write_url", f"redis+socket://{tmp_path}/no.sock")
    with caplog.at_level("INFO", "tracing.search.tasks"):
        assert SearchHome(tmp_path).add_store("one", ["fish"]).documents == 1
    assert "brought up to date once a worker runs" in caplog.text
