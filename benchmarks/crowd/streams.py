"""Thousands of pages that hold the stream of an answer open."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from benchmarks.crowd.site import Held, Web, emptied
from benchmarks.measuring import Row
from benchmarks.smoothness import make_thread, spread

WORDS = 60
REST_S = 10.0
END_S = 240.0
Answers = list[tuple[Any, Any, str]]
"""A thread, its answer that is being written, and the session that owns it."""


class Reader:
    """One page's stream: when each word came, and how it ended."""

    def __init__(self) -> None:
        self.seen: dict[int, float] = {}
        self.ended = ""
        self.opened = asyncio.Event()

    async def follow(self, port: int, path: str, cookie: str) -> None:
        """Over a bare socket: thousands of HTTP clients would themselves be what is measured."""
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(
                f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: sessionid={cookie}\r\n\r\n".encode()
            )
            self.ended = "it broke off"
            await self._read(reader)
            writer.close()
        except (OSError, ValueError) as error:
            self.ended = type(error).__name__
        finally:
            self.opened.set()

    async def _read(self, reader: asyncio.StreamReader) -> None:
        status = await reader.readline()
        if b" 200 " not in status:
            self.ended = status.decode().strip() or "closed without a word"
            return
        while line := await reader.readline():
            self.opened.set()
            now = time.perf_counter()
            for part in line.split(b"word")[1:]:
                self.seen.setdefault(int(part[:3]), now)
            if line.startswith(b"event: done"):
                self.ended = ""
                return


async def write(message: Any, pace: float, text: str = "", words: int = WORDS) -> list[float]:
    """Words one after the other, each followed by `text`; gives when each was sent. The claim is held."""
    from playground.chat.answer_stream import AnswerStream
    from playground.chat.drafts import take
    from playground.chat.generation import finish
    from playground.chat.live_spans import LiveSpans
    from playground.chat.outbox import Outbox
    from playground.completions import Piece
    from playground.models import MessageState

    stream, draft, sent = AnswerStream(message.pk), await take(message.pk), []
    assert draft is not None
    outbox = Outbox(draft, stream, LiveSpans(None))
    async with outbox.sending():
        for number in range(words):
            sent.append(time.perf_counter())
            outbox.add(Piece((number,), f"word{number:03} {text}"))
            await asyncio.sleep(1 / pace)
    draft.token_ids = []
    await finish(draft, stream, MessageState.COMPLETE, "")
    return sent


@asynccontextmanager
async def claimed(answers: Answers) -> AsyncIterator[None]:
    """As writers that wait for an engine hold their answers."""
    from playground.chat.answer_stream import AnswerStream

    async with AsyncExitStack() as stack:
        for _, message, _ in answers:
            await stack.enter_async_context(AnswerStream(message.pk).writing())
        yield


async def streams(count: int, of: int, pace: float, at_once: int, web: Web) -> list[Row]:
    """So many pages watch `of` answers, which then are all written at the same time."""
    before = web.held()
    answers = [await asyncio.to_thread(make_thread, 2) for _ in range(of)]
    readers = [Reader() for _ in range(count)]
    async with claimed(answers):
        began = time.perf_counter()
        tasks = await opened(readers, answers, at_once, web)
        rows = [
            {"what": f"to open {count:,} streams, {at_once} at a time, s"}
            | alone(time.perf_counter() - began)
        ]
        rows += await waiting(count, before, web)
        rows += await written(readers, tasks, answers, pace, web)
    for ended, times in Counter(reader.ended for reader in readers if reader.ended).most_common(5):
        print(f"{times} streams: {ended}", flush=True)
    gone_s, now = await emptied(web), web.held()
    rows += [
        {"what": "until nobody is connected any more, s"} | alone(gone_s),
        {"what": "memory afterwards, MiB more than before"} | alone(now.memory_mib - before.memory_mib),
        {"what": "open files afterwards"} | alone(now.files),
        {"what": "threads afterwards"} | alone(now.threads),
        {"what": "a new visitor's page afterwards, ms"} | spread(await web.page_times()),
    ]
    return rows


async def opened(readers: list[Reader], answers: Answers, at_once: int, web: Web) -> list[asyncio.Task[None]]:
    tasks = []
    for first in range(0, len(readers), at_once):
        group = readers[first : first + at_once]
        for number, reader in enumerate(group, first):
            _, message, cookie = answers[number % len(answers)]
            path = f"/messages/{message.pk}/stream/"
            tasks.append(asyncio.create_task(reader.follow(web.port, path, cookie)))
        await asyncio.gather(*(reader.opened.wait() for reader in group))
    return tasks


async def waiting(count: int, before: Held, web: Web) -> list[Row]:
    """What open streams take while nothing is written, and how others fare meanwhile."""
    cpu_s = web.cpu_s()
    await asyncio.sleep(REST_S)
    share, now = (web.cpu_s() - cpu_s) / REST_S, web.held()
    return [
        {"what": "web process while they wait, share of a core"} | alone(share),
        {"what": "its memory, KiB a stream"} | alone(1024 * (now.memory_mib - before.memory_mib) / count),
        {"what": "its memory in all, MiB"} | alone(now.memory_mib),
        {"what": "its open files"} | alone(now.files),
        {"what": "its threads"} | alone(now.threads),
        {"what": "connections to Redis, of all processes"} | alone(now.redis),
        {"what": "a new visitor's page meanwhile, ms"} | spread(await web.page_times()),
        {"what": "an answer of /v1 meanwhile, ms"} | spread(await web.answer_times()),
    ]


async def written(
    readers: list[Reader], tasks: list[asyncio.Task[None]], answers: Answers, pace: float, web: Web
) -> list[Row]:
    cpu_s, began = web.cpu_s(), time.perf_counter()
    writing = asyncio.gather(*(write(message, pace) for _, message, _ in answers))
    asked = asyncio.create_task(web.page_times(3))
    sent, written_s = await writing, time.perf_counter() - began
    await asyncio.wait(tasks, timeout=END_S)
    ended_s = time.perf_counter() - began
    share, page_ms = (web.cpu_s() - cpu_s) / ended_s, await asked
    for task in tasks:
        task.cancel()
    late = [
        1e3 * (at - sent[number % len(answers)][word])
        for number, reader in enumerate(readers)
        for word, at in reader.seen.items()
    ]
    return [
        {"what": f"{len(answers)} answers are written: word to page, ms"} | spread(late),
        {"what": "a new visitor's page meanwhile, ms"} | spread(page_ms),
        {"what": "web process meanwhile, share of a core"} | alone(share),
        {"what": "from the last word until every page has its end, s"} | alone(ended_s - written_s),
        {"what": "streams that missed a word"} | alone(sum(len(r.seen) < WORDS for r in readers)),
        {"what": "streams that were refused or broke off"} | alone(sum(bool(r.ended) for r in readers)),
    ]


def alone(value: float) -> Row:
    return {"median": float(value)}
