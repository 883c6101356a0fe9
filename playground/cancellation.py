"""Ending tasks for certain."""

import asyncio
from typing import Any

TRY_AGAIN_S = 0.05


async def end(task: asyncio.Task[Any]) -> None:
    """Cancel a task until it has ended. Its own exception is left with it.

    Once is not enough: before Python 3.12 `asyncio.wait_for` takes a cancellation that comes with its result
    for none at all (python/cpython#86296), and redis-py sends every command through it.
    """
    while not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=TRY_AGAIN_S)
    if not task.cancelled():
        task.exception()  # taken notice of, so that asyncio does not complain
