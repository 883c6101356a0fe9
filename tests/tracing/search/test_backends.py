"""Both backends find exactly what the slow search finds, and count, order and page it alike."""

import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.tracing.search.conftest import OpenIndex
from tests.tracing.support.passages import (
    STORES,
    Text,
    load_passages,
    passages,
    queries,
    query,
    slow_search,
    texts,
)
from tracing.core.errors import InputError
from tracing.core.search.index import DEEPEST, Load, SearchIndex
from tracing.core.search.query import Query

ROUNDS = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def keys(index: SearchIndex, asked: Query) -> list[str]:
    return [f"{hit.store}:{hit.document}:{hit.passage}" for hit in index.search(asked, limit=DEEPEST).hits]


@ROUNDS
@given(texts(), st.lists(queries(), min_size=6, max_size=12))
def test_what_is_found_and_counted_is_what_the_slow_search_finds(
    index: SearchIndex, corpus: list[Text], asked: list[Query]
) -> None:
    mark = uuid.uuid4().hex  # the examples share the index: each has stores of its own
    made = [replace(passage, store=passage.store + mark) for passage in passages(corpus)]
    load_passages(index, made)
    by_key = {passage.key: passage for passage in made}
    for one in asked:
        one = replace(
            one, filters=replace(one.filters, stores=tuple(store + mark for store in one.filters.stores))
        )
        expected = slow_search(made, one)
        found = keys(index, one)
        assert (set(found), len(found)) == (expected, len(expected)), one
        assert index.search(one, limit=1).total == len(expected)
        for field in ("stage", "store", "licence"):
            assert index.count_by(field, one) == Counter(getattr(by_key[key], field) for key in expected)


def test_an_index_that_was_never_loaded_holds_nothing(index: SearchIndex) -> None:
    assert index.search(query("fish"), limit=10).total == 0
    assert index.count_by("stage", query("fish")) == {}
    assert index.loads() == {}


def test_a_rarer_word_and_a_shorter_passage_are_more_relevant(index: SearchIndex) -> None:
    corpus = [Text("fish fish heron"), Text("fish"), Text("fish " + "pond " * 200), Text("heron")]
    load_passages(index, passages(corpus + [Text("fish")] * 30))
    found = index.search(query("heron fish", match="any"), limit=DEEPEST).hits
    assert [found[0].document, found[1].document] == [3, 0]
    assert found[-1].document == 2
    scores = [hit.score for hit in found]
    assert scores == sorted(scores, reverse=True)
    assert scores[-1] > 0


def test_newest_first_where_dates_order_and_equal_ones_by_their_place(index: SearchIndex) -> None:
    dates = [20200101, 0, 20240518, 20240517, 20200101]
    load_passages(index, passages([Text("fish", date=date) for date in dates]))
    for asked in (query("fish", sort="date"), query("")):
        assert [hit.document for hit in index.search(asked, limit=10).hits] == [2, 3, 0, 4, 1]


@pytest.mark.parametrize("sort", ["relevance", "date"])
def test_pages_hold_every_hit_once_even_where_all_are_equal(index: SearchIndex, sort: str) -> None:
    load_passages(index, passages([Text("same fish", store=STORES[k % 3]) for k in range(47)]))
    asked = query("fish", sort=sort)
    pages = [index.search(asked, limit=10, offset=offset) for offset in range(0, 60, 10)]
    hits = [hit for page in pages for hit in page.hits]
    assert [len(page.hits) for page in pages] == [10, 10, 10, 10, 7, 0]
    assert len(set(hits)) == 47
    assert hits == list(index.search(asked, limit=60).hits)


def test_pages_keep_their_order_while_other_stores_are_loaded(index: SearchIndex) -> None:
    made = passages([Text("same fish", store=STORES[k % 2]) for k in range(40)])
    load_passages(index, made)
    asked = query("fish", stores=STORES[:2], sort="date")
    before = keys(index, asked)
    more = passages([Text("fish pond", store=STORES[2]) for _ in range(30)])
    with index.writer() as writer:
        writer.add(more)
        writer.commit(Load(STORES[2], 30, 30, 30))
    assert keys(index, asked) == before


@pytest.mark.parametrize(("limit", "offset"), [(0, 0), (10, -1), (10, DEEPEST), (DEEPEST + 1, 0)])
def test_pages_that_are_too_deep_are_refused(index: SearchIndex, limit: int, offset: int) -> None:
    with pytest.raises(InputError, match=f"0 to {DEEPEST} can be read"):
        index.search(query("fish"), limit=limit, offset=offset)


def test_a_removed_store_is_gone_and_the_others_stay(index: SearchIndex) -> None:
    load_passages(index, passages([Text("fish", store=store) for store in STORES for _ in range(3)]))
    with index.writer() as writer:
        writer.remove(STORES[1])
    assert index.count_by("store", query("fish")) == {STORES[0]: 3, STORES[2]: 3}
    assert set(index.loads()) == {STORES[0], STORES[2]}


def test_another_process_sees_what_was_committed_and_nothing_else(open_index: OpenIndex) -> None:
    reader, made = open_index(), passages([Text("fish")] * 4)
    assert reader.search(query("fish"), limit=1).total == 0
    with open_index().writer() as writer:
        writer.add(made[:2])
        writer.commit(Load(STORES[0], documents=4, done=2, passages=2))
        writer.add(made[2:])
        assert reader.search(query("fish"), limit=1).total == 2
    assert reader.loads() == {STORES[0]: Load(STORES[0], 4, 2, 2)}


def test_many_threads_at_once_get_what_one_gets(index: SearchIndex) -> None:
    load_passages(index, passages([Text(f"fish w{k % 7}", store=STORES[k % 3]) for k in range(90)]))
    asked = [query(f"fish w{k}") for k in range(7)]
    alone = [keys(index, one) for one in asked]
    with ThreadPoolExecutor(32) as threads:
        assert list(threads.map(lambda one: keys(index, one), asked * 16)) == alone * 16
