"""What was looked up a moment ago, kept in this process's memory for seconds."""

import threading
import time
from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

Value = TypeVar("Value")


class Recent(Generic[Value]):
    """At most `most` values, each for `keep_s` seconds. Any thread may use it."""

    def __init__(self, *, keep_s: float, most: int = 4096) -> None:
        self._keep_s, self._most = keep_s, most
        self._values: OrderedDict[Hashable, tuple[float, Value]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable) -> Value | None:
        with self._lock:
            until, value = self._values.get(key, (0.0, None))
            return value if time.monotonic() < until else None

    def put(self, key: Hashable, value: Value) -> None:
        with self._lock:
            self._values[key] = (time.monotonic() + self._keep_s, value)
            self._values.move_to_end(key)
            if len(self._values) > self._most:
                self._values.popitem(last=False)

    def clear(self) -> None:
        with self._lock:
            self._values.clear()
