"""Answers that pages of this process watch: each is read, folded and rendered once for all of them."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID
from weakref import WeakKeyDictionary

from redis.exceptions import RedisError

from playground.cancellation import end
from playground.chat.answer_state import AnswerState
from playground.chat.answer_stream import AnswerStream
from playground.chat.bell import rung
from playground.chat.live_html import LiveHtml
from playground.chat.settling import settle
from playground.models import Message
from playground.traces.painting import AnswerHtml

logger = logging.getLogger(__name__)
FLUSH_S = 0.01
"""The least rest after an update. The writer tells its words at a pace, and two paces would add up."""
REST = 3.0
"""How much longer an update's rest is than its work: a page of very long blocks is updated less often."""
TELL_S = 0.0001
"""About what telling one page takes: while thousands watch, updates are rarer, so that others have a turn."""
INLINE_S = 0.003
"""Rendering that took longer is done in a thread: shorter, the thread would cost more than it."""
HEARTBEAT_S = 15.0
LOOK_S = 2.0
"""How long a stream may be silent until somebody looks whether it still has a writer."""


class Followed:
    """An answer that is being written, as far as it is known here. `html` is what it is at `position`."""

    def __init__(self, message: Message) -> None:
        self.message = message
        self.stream = AnswerStream(message.pk)
        self.state, self.live = AnswerState(), LiveHtml(message)
        self.html: AnswerHtml = self.live.of(self.state)
        self.position = self._read_to = "0"
        self.ended = False
        self.readers = 0
        self.update = asyncio.Event()
        """Set, and replaced by a new one, at each change."""
        self._work_s = 0.0
        self.task = asyncio.create_task(self._follow())

    async def _follow(self) -> None:
        try:
            async with self.stream.bell.heard(self.stream.name) as news:
                silent = 0
                while not self.ended:
                    if await self._read():
                        silent = 0
                        await asyncio.sleep(max(FLUSH_S, REST * self._work_s, TELL_S * readers_here()))
                    elif not await rung(news, LOOK_S):
                        silent += 1
                        await self._end_if_abandoned(silent)
        except Exception:
            logger.exception("Answer %s can be watched no further", self.message.pk)
        finally:
            self.ended = True
            self._tell()

    async def _read(self) -> bool:
        """Take in what has been added; says whether there was anything."""
        try:
            entries = await self.stream.read(self._read_to)
        except RedisError as error:
            logger.warning("Answer %s waits for Redis: %s", self.message.pk, error)
            return False
        if not entries:
            return False
        for self._read_to, event in entries:
            self.state.fold(event)
        await self._render()
        self.position = self._read_to
        self.ended = self.state.ended
        self._tell()
        return True

    async def _render(self) -> None:
        began = time.perf_counter()
        if self._work_s > INLINE_S:
            self.html = await asyncio.to_thread(self.live.of, self.state)
        else:
            self.html = self.live.of(self.state)
        self._work_s = time.perf_counter() - began

    async def _end_if_abandoned(self, silent: int) -> None:
        """An answer without a writer, twice in a row, is settled from what its stream holds."""
        try:
            if silent > 1 and not await self.stream.has_writer():
                await settle(self.message.pk)
                self.ended = True
        except RedisError as error:
            logger.warning("Answer %s waits for Redis: %s", self.message.pk, error)

    def _tell(self) -> None:
        self.update.set()
        self.update = asyncio.Event()

    async def until(self, position: str) -> AnswerHtml | None:
        """What a page had been shown at a position; None where that is not known any more."""
        state = AnswerState()
        entries = await self.stream.read_until(position)
        for _, event in entries:
            state.fold(event)
        return LiveHtml(self.message).of(state) if entries and entries[-1][0] == position else None


_followed: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[UUID, Followed]] = WeakKeyDictionary()


def readers_here() -> int:
    """How many pages of this event loop watch answers that are being written."""
    return sum(each.readers for each in _followed.get(asyncio.get_running_loop(), {}).values())


@asynccontextmanager
async def following(message: Message) -> AsyncIterator[Followed]:
    """The answer, followed while at least one reader of this process watches it."""
    all_here: dict[UUID, Followed] = _followed.setdefault(asyncio.get_running_loop(), {})
    followed = all_here.get(message.pk)
    if followed is None or followed.ended:
        followed = all_here[message.pk] = Followed(message)
    followed.readers += 1
    try:
        yield followed
    finally:
        followed.readers -= 1
        if not followed.readers:
            if all_here.get(message.pk) is followed:
                del all_here[message.pk]
            await end(followed.task)


async def changes(followed: Followed) -> AsyncIterator[bool]:
    """True at first, and whenever something has changed, up to the end; False after a long silence."""
    while True:
        update, ended = followed.update, followed.ended
        yield True
        if ended:
            return
        while not await happened(update, HEARTBEAT_S):
            yield False


async def happened(update: asyncio.Event, timeout_s: float) -> bool:
    """Whether it does within so long."""
    try:
        async with asyncio.timeout(timeout_s):
            await update.wait()
    except TimeoutError:
        return update.is_set()
    return True
