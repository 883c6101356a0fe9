"""The stream of an answer while it is written: Redis holds it, any number of readers may join and leave.

One writer at a time holds a claim that it renews; a claim that ran out means that the writer is dead. Now and
then the writer puts all that it has written into one event and lets go of those before it, so that a reader
of a long answer never has to go through all of it.
"""

import asyncio
import json
import logging
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID, uuid4
from weakref import WeakKeyDictionary

from django.conf import settings
from redis.asyncio import BlockingConnectionPool, Redis
from redis.exceptions import RedisError

from playground.cancellation import end
from playground.chat.bell import CHANNEL, bell, rung

logger = logging.getLogger(__name__)
CLAIM_S = 10
KEEP_S = 3600
STOP_S = 30
CONNECTIONS = 64
"""Of an event loop; a command beyond them waits for one, where redis-py's own pool would refuse it."""
LOOK_S = 2.0
"""How often a writer looks for itself whether it shall stop, should the bell not have been heard."""
POSITION = re.compile(r"\d{1,15}-\d{1,15}")
RELEASE = "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) end return 0"

Event = dict[str, Any]
_clients: WeakKeyDictionary[asyncio.AbstractEventLoop, Redis] = WeakKeyDictionary()


def redis_client() -> Redis:
    """This event loop's Redis client."""
    loop = asyncio.get_running_loop()
    if loop not in _clients:
        pool = BlockingConnectionPool.from_url(
            settings.REDIS_URL, max_connections=CONNECTIONS, decode_responses=True
        )
        _clients[loop] = Redis.from_pool(pool)
    return _clients[loop]


class AnswerStream:
    """Events of one message's answer, in order, each with an id that a reader can go on from."""

    def __init__(self, message_id: UUID) -> None:
        self.redis = redis_client()
        self.bell = bell(self.redis)
        self.name = str(message_id)
        self.events = f"headwater:answer:{message_id}"
        self.claim = f"{self.events}:writer"
        self.stop = f"{self.events}:stop"

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[bool]:
        """Hold the claim to write; gives False when another writer holds it. Old events are dropped.

        Raises RedisError where Redis is away.
        """
        mine = uuid4().hex
        if not await self.redis.set(self.claim, mine, nx=True, ex=CLAIM_S):
            yield False
            return
        await self.redis.delete(self.events)
        beat = asyncio.create_task(self._renew_claim(mine))
        try:
            yield True
        finally:
            await end(beat)
            await self._release_claim(mine)

    async def _renew_claim(self, mine: str) -> None:
        """Keep the claim, and take it again after Redis was away: the database tells if it was lost."""
        while True:
            await asyncio.sleep(CLAIM_S / 4)
            try:
                await self.redis.set(self.claim, mine, ex=CLAIM_S)
            except RedisError as error:
                logger.error("%s: the claim was not renewed: %s", self.events, error)

    async def _release_claim(self, mine: str) -> None:
        try:
            await self.redis.delete(self.stop)  # at the end: somebody may ask before there is a writer
            await self.redis.eval(RELEASE, 1, self.claim, mine)
        except RedisError as error:
            logger.error("%s: the claim is left to run out: %s", self.events, error)

    async def append(self, *events: Event) -> bool:
        """Add events and ring. Says whether Redis took them: one that is away costs the answer nothing."""
        pipeline = self.redis.pipeline(transaction=False)
        for event in events:
            pipeline.xadd(self.events, {"event": json.dumps(event)})
        pipeline.publish(CHANNEL, self.name)
        try:
            await pipeline.execute()
        except RedisError as error:
            logger.error("%s: events were not taken: %s", self.events, error)
            return False
        return True

    async def begin_with(self, event: Event) -> bool:
        """Add an event that says all there is so far, and let go of those before it; as `append`."""
        try:
            at = await self.redis.xadd(self.events, {"event": json.dumps(event)})
            await self.redis.xtrim(self.events, minid=at, approximate=False)
            await self.redis.publish(CHANNEL, self.name)
        except RedisError as error:
            logger.error("%s: an event was not taken: %s", self.events, error)
            return False
        return True

    async def expire(self) -> None:
        """Let the events go in an hour: the database has the answer by now."""
        try:
            await self.redis.expire(self.events, KEEP_S)
        except RedisError as error:
            logger.error("%s: the events stay: %s", self.events, error)

    async def read(self, after: str = "0") -> list[tuple[str, Event]]:
        """The events after an id; all that are kept by default."""
        answer = await self.redis.xread({self.events: after})
        return [entry for _, entries in answer for entry in parsed(entries)] if answer else []

    async def read_until(self, last: str) -> list[tuple[str, Event]]:
        """The events up to an id that a reader has had; none where those are not kept any more."""
        if not POSITION.fullmatch(last):
            return []
        return parsed(await self.redis.xrange(self.events, max=last))

    async def has_writer(self) -> bool:
        return bool(await self.redis.exists(self.claim))

    async def ask_to_stop(self) -> None:
        await self.redis.set(self.stop, "1", ex=STOP_S)
        await self.redis.publish(CHANNEL, self.stop)

    async def stop_asked(self) -> None:
        """Return once somebody asked the writer to stop."""
        async with self.bell.heard(self.stop) as asked:
            while not await self._is_stopped():
                await rung(asked, LOOK_S)

    async def _is_stopped(self) -> bool:
        try:
            return bool(await self.redis.exists(self.stop))
        except RedisError:
            return False


def parsed(entries: Any) -> list[tuple[str, Event]]:
    return [(entry_id, json.loads(fields["event"])) for entry_id, fields in entries]
