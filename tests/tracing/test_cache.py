"""The cache of opened things: what is kept, and for whom."""

import threading

import pytest

from tracing.cache import Cache


def test_only_what_is_made_is_kept_and_looking_waits_for_nobody() -> None:
    cache: Cache[str, int] = Cache(size=2)
    begun, go_on = threading.Event(), threading.Event()

    def make() -> int:
        begun.set()
        assert go_on.wait(30)
        return 1

    maker = threading.Thread(target=lambda: cache.get("a", make))
    maker.start()
    assert begun.wait(30)
    assert cache.kept("a") is None
    go_on.set()
    maker.join()
    assert cache.kept("a") == 1
    with pytest.raises(ZeroDivisionError):
        cache.get("b", lambda: 1 // 0)
    assert cache.kept("b") is None


def test_what_is_looked_at_counts_as_used() -> None:
    cache: Cache[str, int] = Cache(size=2)
    for number, key in enumerate("ab"):
        cache.get(key, lambda number=number: number)
    assert cache.kept("a") == 0
    cache.get("c", lambda: 2)
    assert [cache.kept(key) for key in "abc"] == [0, None, 2]
