"""Pages that hold a stream open take nothing but their connection, and open it by turns."""

import asyncio
import threading
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from asgiref.sync import SyncToAsync, ThreadSensitiveContext, sync_to_async

from playground.chat.event_stream import event_stream
from playground.web.turns import PAGES_AT_ONCE, STREAMS_AT_ONCE, Turns


async def told() -> AsyncGenerator[str]:
    yield "event: one\n\n"
    yield "event: two\n\n"


async def followed(threads: list[int]) -> None:
    """A request whose response middleware took a thread for, after the view."""
    async with ThreadSensitiveContext() as context:
        response = event_stream(told())
        await sync_to_async(len)("as middleware does with a response that goes out")
        assert context in SyncToAsync.context_to_thread_executor
        async for _ in response:
            ends = [await sync_to_async(threading.get_ident)() for _ in range(2)]
            threads.append(ends[0])
            assert ends[0] == ends[1]


async def test_open_streams_hold_no_threads_although_middleware_took_some_after_the_views() -> None:
    threads: list[int] = []
    before = threading.active_count()
    for _ in range(3):
        await followed(threads)
    assert len(set(threads)) == 1
    assert threading.active_count() <= before + 1


class Site:
    """An application that answers once it may; it counts the requests that it works on, and their most."""

    def __init__(self) -> None:
        self.working = self.most = 0
        self.may_answer, self.may_end = asyncio.Event(), asyncio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.working += 1
        self.most = max(self.most, self.working)
        await self.may_answer.wait()
        self.working -= 1
        if scope["path"] == "/broken/":
            raise RuntimeError("broken")
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await self.may_end.wait()


def ask(turns: Turns, path: str, times: int, method: str = "GET") -> list[asyncio.Task[None]]:
    scope: Any = {"type": "http", "method": method, "path": path}
    return [asyncio.create_task(turns(scope, nothing, nothing)) for _ in range(times)]  # type: ignore[arg-type]


async def nothing(event: Any = None) -> Any:
    """Neither sends nor brings anything."""


async def rested() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("path", "at_once"), [("/", PAGES_AT_ONCE), ("/messages/1/stream/", STREAMS_AT_ONCE)]
)
async def test_of_any_number_only_so_many_are_worked_on_at_a_time(path: str, at_once: int) -> None:
    site = Site()
    tasks = ask(Turns(site), path, 3 * at_once)
    await rested()
    assert site.working == site.most == at_once
    site.may_answer.set()  # responses that have begun and go on, as streams do, keep nobody waiting
    await rested()
    assert site.working == 0
    assert not any(task.done() for task in tasks)
    site.may_end.set()
    await asyncio.gather(*tasks)
    assert site.most == at_once


async def test_pages_do_not_wait_for_streams_nor_what_has_a_body_for_anything() -> None:
    site = Site()
    turns = Turns(site)
    waiting = ask(turns, "/messages/1/stream/", 2 * STREAMS_AT_ONCE)
    others = [*ask(turns, "/", 1), *ask(turns, "/chat/", PAGES_AT_ONCE, "POST")]
    await rested()
    assert site.working == STREAMS_AT_ONCE + len(others)
    site.may_answer.set()
    site.may_end.set()
    await asyncio.gather(*waiting, *others)


async def test_who_breaks_or_leaves_gives_the_turn_on() -> None:
    site = Site()
    turns = Turns(site)
    broken, left = ask(turns, "/broken/", PAGES_AT_ONCE), ask(turns, "/", 2)
    await rested()
    left[0].cancel()
    site.may_answer.set()
    site.may_end.set()
    ends = await asyncio.gather(*broken, *left, return_exceptions=True)
    assert [type(end) for end in ends[-2:]] == [asyncio.CancelledError, type(None)]
    await asyncio.gather(*ask(turns, "/", 2 * PAGES_AT_ONCE))
