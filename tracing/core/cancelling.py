"""Stopping work that nobody waits for any more, wherever it is.

Whoever begins such work says inside `cancellable` how to find out; every loop that may be long asks,
through `watched` or `paced`, at least every few dozen milliseconds.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from itertools import islice
from typing import Final, TypeVar

from tracing.core.errors import Cancelled

Cancel = Callable[[], bool]
Item = TypeVar("Item")

ASK_EVERY_S: Final = 0.01
CLOCK_EVERY: Final = 8  # items, since looking at the clock takes as long as some of the loops' own work
FIRST_PART: Final = 512  # as long as most answers: these take one part
FIRST_PRODUCT: Final = 1 << 22  # a first part of n items times their number: the costs are quadratic at worst

_asked: ContextVar[Cancel | None] = ContextVar("cancelled", default=None)


@contextmanager
def cancellable(cancelled: Cancel | None) -> Iterator[None]:
    """What is done inside, in this thread and those that take its context along, ends with Cancelled soon
    after `cancelled` says so, or whoever else may stop it."""
    outer = _asked.get()
    if outer is not None and cancelled is not None:
        token = _asked.set(lambda: outer() or cancelled())
    else:
        token = _asked.set(cancelled or outer)
    try:
        yield
    finally:
        _asked.reset(token)


def stop_if_cancelled() -> None:
    """Cancelled if nobody waits any more."""
    cancelled = _asked.get()
    if cancelled is not None and cancelled():
        raise Cancelled("The trace was stopped.")


def watched(items: Iterable[Item]) -> Iterator[Item]:
    """The items, for a loop that takes well under a millisecond for each of them."""
    iterator, due = iter(items), time.perf_counter() + ASK_EVERY_S
    for item in iterator:
        yield item
        yield from islice(iterator, CLOCK_EVERY - 1)
        if time.perf_counter() >= due:
            stop_if_cancelled()
            due = time.perf_counter() + ASK_EVERY_S


def paced(total: int) -> Iterator[tuple[int, int]]:
    """0..total in parts (start, stop), for a loop that hands whole parts to compiled code.

    How many items one holds follows from how long the last ones took.
    """
    start, size = 0, max(1, min(FIRST_PART, FIRST_PRODUCT // max(1, total)))
    while start < total:
        stop_if_cancelled()
        began, stop = time.perf_counter(), min(start + size, total)
        yield start, stop
        took = max(time.perf_counter() - began, 1e-6)
        size = max(1, int(size * min(4.0, max(0.25, ASK_EVERY_S / took))))
        start = stop
