"""A bounded cache of opened things, safe for threads: each is made once, however many ask at once."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class Cache(Generic[Key, Value]):
    """Keeps the `size` values used last. A value that falls out lives on with whoever still holds it."""

    def __init__(self, *, size: int) -> None:
        self._size = size
        self._lock = threading.Lock()
        self._kept: OrderedDict[Key, Future[Value]] = OrderedDict()

    def get(
        self, key: Key, make: Callable[[], Value], *, is_good: Callable[[Value], bool] = lambda value: True
    ) -> Value:
        """The value of `key`, made by `make` if it is not kept, or no longer good. What `make` raises is
        raised to all who waited for it, and not kept."""
        future, is_maker = self._find(key, is_good)
        if is_maker:
            self._make(key, future, make)
        return future.result()

    def kept(self, key: Key) -> Value | None:
        """The value of `key` if it is made, without waiting for whoever makes it."""
        with self._lock:
            future = self._kept.get(key)
            if future is None or not future.done() or future.exception():
                return None
            self._kept.move_to_end(key)
            return future.result()

    def _find(self, key: Key, is_good: Callable[[Value], bool]) -> tuple["Future[Value]", bool]:
        with self._lock:
            future = self._kept.get(key)
            made = future is not None and future.done() and not future.exception()
            if future is not None and made and not is_good(future.result()):
                future = None
            is_maker = future is None
            if future is None:
                future = self._kept[key] = Future()
            self._kept.move_to_end(key)
            while len(self._kept) > self._size:
                self._kept.popitem(last=False)
        return future, is_maker

    def _make(self, key: Key, future: "Future[Value]", make: Callable[[], Value]) -> None:
        try:
            future.set_result(make())
        except BaseException as error:
            with self._lock:
                if self._kept.get(key) is future:
                    del self._kept[key]
            future.set_exception(error)
