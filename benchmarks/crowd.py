"""What happens with thousands of open streams, and with clients that send their requests very slowly.

`python -m benchmarks.crowd [--streams 500 5000] [--answers 50] [--pace 30] [--slow 2000]`. The site runs as
the demo starts it, by uvicorn in a process of its own. So many pages hold the streams of some answers open;
then each answer is written, and it is measured how late its words are in its pages, what the web process
takes, and how quickly another page answers. Slow clients hold connections with requests that never end.
"""

import asyncio
import os
import resource
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import httpx
import psutil

from benchmarks import measuring
from benchmarks.live import site
from benchmarks.measuring import Row
from benchmarks.smoothness import make_thread, spread
from tests.sites import free_port

OPENED_AT_ONCE = 100
WORDS = 60


@contextmanager
def web_process() -> Iterator[tuple[str, psutil.Process]]:
    """The web server in a process of its own."""
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "config.asgi:application", "--port", str(port)]
    process = subprocess.Popen([*command, "--no-access-log", "--log-level", "error"])
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            try:
                httpx.get(f"{address}/health", trust_env=False)
                break
            except httpx.HTTPError:
                time.sleep(0.1)
        yield address, psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(30)


class Reader:
    """One page's stream: when each word came."""

    def __init__(self) -> None:
        self.seen: dict[int, float] = {}
        self.failed = ""

    async def follow(self, port: int, path: str, cookie: str, opened: asyncio.Event) -> None:
        """Over a bare socket: thousands of HTTP clients would themselves be what is measured."""
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(
                f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: sessionid={cookie}\r\n\r\n".encode()
            )
            while line := await reader.readline():
                opened.set()
                now = time.perf_counter()
                for part in line.split(b"word")[1:]:
                    self.seen.setdefault(int(part[:3]), now)
                if line.startswith(b"event: done"):
                    break
            writer.close()
        except (OSError, ValueError) as error:
            self.failed = type(error).__name__
        finally:
            opened.set()


async def write(message: Any, pace: float) -> list[float]:
    """Words one after the other; gives when each was sent."""
    from playground.chat.answer_stream import AnswerStream
    from playground.chat.drafts import take
    from playground.chat.generation import finish
    from playground.chat.live_spans import LiveSpans
    from playground.chat.outbox import Outbox
    from playground.completions import Piece
    from playground.models import MessageState

    stream, draft, sent = AnswerStream(message.pk), await take(message.pk), []
    assert draft is not None
    async with stream.writing():
        outbox = Outbox(draft, stream, LiveSpans(None))
        async with outbox.sending():
            for number in range(WORDS):
                sent.append(time.perf_counter())
                outbox.add(Piece((number,), f"word{number:03} "))
                await asyncio.sleep(1 / pace)
        draft.token_ids = []
        await finish(draft, stream, MessageState.COMPLETE, "")
    return sent


async def measure(
    streams: int, answers: int, pace: float, address: str, process: psutil.Process
) -> list[Row]:
    from playground.chat.answer_stream import AnswerStream

    made = [await asyncio.to_thread(make_thread, 2) for _ in range(answers)]
    port = int(address.rsplit(":", 1)[1])
    async with asyncio.TaskGroup() as claims:  # writers that are waiting for an engine hold their claims
        holding = [AnswerStream(message.pk).writing() for _, message, _ in made]
        for hold in holding:
            await hold.__aenter__()
        readers, tasks, began = [], [], time.perf_counter()
        for first in range(0, streams, OPENED_AT_ONCE):
            waits = []
            for number in range(first, min(first + OPENED_AT_ONCE, streams)):
                _, message, cookie = made[number % answers]
                reader, opened = Reader(), asyncio.Event()
                path = f"/messages/{message.pk}/stream/"
                tasks.append(claims.create_task(reader.follow(port, path, cookie, opened)))
                readers.append(reader)
                waits.append(opened.wait())
            await asyncio.gather(*waits)
        opened_s = time.perf_counter() - began
        idle = process.cpu_times()
        await asyncio.sleep(10)
        idle_share = busy_since(process, idle) / 10
        memory = process.memory_info().rss / 2**20
        threads = process.num_threads()
        for hold in holding:
            await hold.__aexit__(None, None, None)
        at_work, began = process.cpu_times(), time.perf_counter()
        writing = [asyncio.create_task(write(message, pace)) for _, message, _ in made]
        page_ms = await page_times(address)
        sent = await asyncio.gather(*writing)
        await asyncio.wait(tasks, timeout=60)
        share = busy_since(process, at_work) / (time.perf_counter() - began)
        for task in tasks:
            task.cancel()
    late = [
        1e3 * (at - sent[number % answers][word])
        for number, reader in enumerate(readers)
        for word, at in reader.seen.items()
    ]
    missed = sum(len(reader.seen) < WORDS for reader in readers)
    failed = sum(bool(reader.failed) for reader in readers)
    return [
        {"what": f"{streams:,} streams of {answers} answers: word to page, ms"} | spread(late),
        {"what": "another page meanwhile, ms"} | spread(page_ms),
        {"what": "to open them all, s", "median": opened_s},
        {"what": "web process while they wait, share of a core", "median": idle_share},
        {"what": "web process while all are written, share of a core", "median": share},
        {"what": "its memory, MiB", "median": memory},
        {"what": "its threads", "median": float(threads)},
        {"what": "streams that missed a word", "median": float(missed)},
        {"what": "streams that failed", "median": float(failed)},
    ]


async def page_times(address: str) -> list[float]:
    times = []
    async with httpx.AsyncClient(trust_env=False, timeout=120) as client:
        for _ in range(10):
            began = time.perf_counter()
            (await client.get(f"{address}/trace/")).raise_for_status()
            times.append(1e3 * (time.perf_counter() - began))
    return times


def busy_since(process: psutil.Process, before: Any) -> float:
    now = process.cpu_times()
    return float(now.user + now.system - before.user - before.system)


async def slow_clients(count: int, address: str, process: psutil.Process) -> list[Row]:
    """Connections that send a letter of a header each second, and a body that never ends."""
    port = int(address.rsplit(":", 1)[1])
    connections = []
    for number in range(count):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        if number % 2:
            writer.write(b"GET / HTTP/1.1\r\nX: ")
        else:
            writer.write(b"POST /chat/ HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000\r\n\r\n")
        connections.append((reader, writer))
    before, began = process.cpu_times(), time.perf_counter()
    for _ in range(10):
        for _, writer in connections:
            if not writer.is_closing():
                writer.write(b"x")
        await asyncio.sleep(1)
    page_ms = await page_times(address)
    share = busy_since(process, before) / (time.perf_counter() - began)
    await asyncio.sleep(40)
    closed = sum(reader.at_eof() or bool(reader._buffer) for reader, _ in connections)  # type: ignore[attr-defined]
    for _, writer in connections:
        writer.close()
    return [
        {"what": f"{count:,} slow clients: another page meanwhile, ms"} | spread(page_ms),
        {"what": "web process, share of a core", "median": share},
        {"what": "slow clients answered or shut out within a minute", "median": float(closed)},
    ]


def main() -> None:
    parser = measuring.parser(__doc__)
    parser.add_argument("--streams", type=int, nargs="+", default=[500, 5000])
    parser.add_argument("--answers", type=int, default=50)
    parser.add_argument("--pace", type=float, default=30, help="words a second of each answer")
    parser.add_argument("--slow", type=int, default=2000)
    options, load = parser.parse_args(), measuring.load()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    os.environ |= {"HEADWATER_ANONYMOUS": "1", "SECRET_KEY": secrets.token_hex(32)}
    with ExitStack() as stack:
        stack.enter_context(site())
        from django.core.management import call_command

        call_command("migrate", verbosity=0)
        address, process = stack.enter_context(web_process())
        rows: list[Row] = []
        for streams in options.streams:
            answers = min(options.answers, streams)
            rows += asyncio.run(measure(streams, answers, options.pace, address, process))
            print(rows[-9:], flush=True)
        rows += asyncio.run(slow_clients(options.slow, address, process))
    notes = [f"Answers of {WORDS} words, {options.pace:g} a second. One web process. Times in ms where said."]
    measuring.keep(options, "crowd", "Thousands of open streams, and slow clients", notes, rows, load)


if __name__ == "__main__":
    main()
