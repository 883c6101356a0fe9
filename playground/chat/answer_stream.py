"""The stream of an answer while it is written: Redis holds it, any number of readers may join and leave.

One writer at a time holds a claim that it renews; a claim that ran out means that the writer is dead.
"""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID
from weakref import WeakKeyDictionary

from django.conf import settings
from redis.asyncio import Redis
from redis.exceptions import RedisError

from playground.cancellation import end

logger = logging.getLogger(__name__)
CLAIM_S = 10
KEEP_S = 3600
STOP_POLL_S = 0.1

Event = dict[str, Any]
_clients: WeakKeyDictionary[asyncio.AbstractEventLoop, Redis] = WeakKeyDictionary()


def redis_client() -> Redis:
    """This event loop's Redis client."""
    loop = asyncio.get_running_loop()
    if loop not in _clients:
        _clients[loop] = Redis.from_url(settings.REDIS_URL, decode_responses=True)
    return _clients[loop]


class AnswerStream:
    """Events of one message's answer, in order, each with an id that a reader can go on from."""

    def __init__(self, message_id: UUID) -> None:
        self.redis = redis_client()
        self.events = f"headwater:answer:{message_id}"
        self.claim = f"{self.events}:writer"
        self.stop = f"{self.events}:stop"

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[bool]:
        """Hold the claim to write; gives False when another writer holds it. Old events are dropped."""
        if not await self.redis.set(self.claim, "1", nx=True, ex=CLAIM_S):
            yield False
            return
        await self.redis.delete(self.events, self.stop)
        beat = asyncio.create_task(self._renew_claim())
        try:
            yield True
        finally:
            await end(beat)
            await self.redis.delete(self.claim)

    async def _renew_claim(self) -> None:
        while True:
            await asyncio.sleep(CLAIM_S / 4)
            await self.redis.set(self.claim, "1", ex=CLAIM_S)

    async def append(self, event: Event) -> None:
        """Add an event. A Redis that cannot write (a full disk) costs the readers a piece, not the answer."""
        try:
            await self.redis.xadd(self.events, {"event": json.dumps(event)})
        except RedisError as error:
            logger.error("%s: an event was not taken: %s", self.events, error)

    async def expire(self) -> None:
        """Let the events go in an hour: the database has the answer by now."""
        await self.redis.expire(self.events, KEEP_S)

    async def read(self, after: str = "0", wait_ms: int | None = None) -> list[tuple[str, Event]]:
        """The events after an id; waits up to `wait_ms` for the first of them."""
        answer = await self.redis.xread({self.events: after}, block=wait_ms)
        if not answer:
            return []
        [(_, entries)] = answer
        return [(entry_id, json.loads(fields["event"])) for entry_id, fields in entries]

    async def has_writer(self) -> bool:
        return bool(await self.redis.exists(self.claim))

    async def ask_to_stop(self) -> None:
        await self.redis.set(self.stop, "1", ex=KEEP_S)

    async def stop_asked(self) -> None:
        """Return once somebody asked the writer to stop."""
        while not await self.redis.exists(self.stop):
            await asyncio.sleep(STOP_POLL_S)
