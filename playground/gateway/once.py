"""Look-ups that many requests ask for at the same time, done once for all of them."""

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from contextvars import Context
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

Found = TypeVar("Found")
_running: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[Hashable, asyncio.Task[Any]]] = (
    WeakKeyDictionary()
)


async def once(key: Hashable, look_up: Callable[[], Coroutine[Any, Any, Found]]) -> Found:
    """What `look_up` finds or raises. Whoever asks for the same key meanwhile shares it, and leaving it does
    not end it for the others."""
    loop = asyncio.get_running_loop()
    running = _running.setdefault(loop, {})
    if key not in running:
        running[key] = loop.create_task(look_up(), context=Context())
        running[key].add_done_callback(lambda task: forget(running, key, task))
    found: Found = await asyncio.shield(running[key])
    return found


def forget(running: dict[Hashable, asyncio.Task[Any]], key: Hashable, task: asyncio.Task[Any]) -> None:
    running.pop(key, None)
    if not task.cancelled():
        task.exception()  # taken notice of, although everyone who asked may have left
