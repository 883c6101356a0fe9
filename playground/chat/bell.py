"""One subscription to Redis a process, for everyone in it who waits for news of some answer.

Whoever adds to an answer's stream rings by the answer's name, and only those who wait for that name wake up:
an open page that nothing happens to costs nothing.
"""

import asyncio
import contextlib
import logging
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from weakref import WeakKeyDictionary

from redis.asyncio import Redis
from redis.exceptions import RedisError

from playground.cancellation import end

logger = logging.getLogger(__name__)
CHANNEL = "headwater:answers"
TRY_AGAIN_S = 0.5


class Bell:
    """Wakes those who wait in one event loop. After Redis was away all are woken, to look for themselves."""

    def __init__(self, redis: Redis) -> None:
        self.redis = redis
        self.waiting: defaultdict[str, set[asyncio.Event]] = defaultdict(set)
        self.task: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def heard(self, name: str) -> AsyncIterator[asyncio.Event]:
        """An event that is set each time somebody rings by this name; whoever waits clears it."""
        event = asyncio.Event()
        self.waiting[name].add(event)
        if self.task is None or self.task.done():
            self.task = asyncio.create_task(self._listen())
        try:
            yield event
        finally:
            self.waiting[name].discard(event)
            if not self.waiting[name]:
                del self.waiting[name]
            if not self.waiting and self.task is not None:
                unheard, self.task = self.task, None
                await end(unheard)

    async def _listen(self) -> None:
        while True:
            try:
                async with self.redis.pubsub() as channel:
                    await channel.subscribe(CHANNEL)
                    self._wake(*self.waiting)
                    async for message in channel.listen():
                        if message["type"] == "message":
                            self._wake(message["data"])
            except RedisError as error:
                logger.warning("Redis is away, streams wait for it: %s", error)
            await asyncio.sleep(TRY_AGAIN_S)

    def _wake(self, *names: str) -> None:
        for name in names:
            for event in self.waiting.get(name, ()):
                event.set()


_bells: WeakKeyDictionary[asyncio.AbstractEventLoop, Bell] = WeakKeyDictionary()


def bell(redis: Redis) -> Bell:
    """This event loop's bell."""
    loop = asyncio.get_running_loop()
    if loop not in _bells:
        _bells[loop] = Bell(redis)
    return _bells[loop]


async def rung(event: asyncio.Event, timeout_s: float) -> bool:
    """Wait until the event is set, at most so long, and clear it; says whether it was set."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(timeout_s):
            await event.wait()
    was_set = event.is_set()
    event.clear()
    return was_set
