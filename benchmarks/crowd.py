"""What happens with thousands of open streams, and with clients that send or read very slowly.

`python -m benchmarks.crowd [--streams 500 5000] [--answers 50] [--pace 30] [--slow 2000] [--readers 500]`.
The site runs as the demo starts it, in a process of its own. So many pages hold the streams of some answers
open; then each answer is written, and it is measured how late its words are in its pages, what the web
process takes, and how quickly another page answers. Slow clients send headers or a body a byte a second;
slow readers open a stream and never read it.
"""

import asyncio
import os
import resource
import secrets
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil

from benchmarks import measuring
from benchmarks.live import site
from benchmarks.measuring import Row
from benchmarks.smoothness import make_thread, spread
from playground.demo.supervisor import log_tail
from tests.sites import free_port

OPENED_AT_ONCE = 100
WORDS = 60
LONG_PARAGRAPH = "of a paragraph that goes on for a while, " * 40 + "\n\n"
GIVEN_UP_S = 180.0


@contextmanager
def web_process() -> Iterator[tuple[str, psutil.Process]]:
    """The web server in a process of its own, as the demo starts it."""
    from playground.demo.programs import web

    port = free_port()
    with (Path(os.environ["HEADWATER_HOME"]) / "web.log").open("wb") as log:
        process = subprocess.Popen(web(port).command, stdout=log, stderr=log)
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
        print(log_tail(Path(log.name), 20))


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


async def write(message: Any, pace: float, text: str = "", words: int = WORDS) -> list[float]:
    """Words one after the other, each followed by `text`; gives when each was sent."""
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
            for number in range(words):
                sent.append(time.perf_counter())
                outbox.add(Piece((number,), f"word{number:03} {text}"))
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


async def page_times(address: str, count: int = 10) -> list[float]:
    times = []
    async with httpx.AsyncClient(trust_env=False, timeout=120) as client:
        for _ in range(count):
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
    before, began, page_ms, all_shut_s = process.cpu_times(), time.perf_counter(), list[float](), 0.0
    while not all_shut_s and time.perf_counter() - began < GIVEN_UP_S:
        for _, writer in connections:
            if not writer.is_closing():
                writer.write(b"x")
        await asyncio.sleep(1)
        if len(page_ms) < 20:
            page_ms += await page_times(address, 2)
        if all(reader.at_eof() or reader.exception() for reader, _ in connections):
            all_shut_s = time.perf_counter() - began
    share = busy_since(process, before) / (time.perf_counter() - began)
    told = [await heard(reader) for reader, _ in connections]
    for _, writer in connections:
        writer.close()
    return [
        {"what": f"{count:,} slow senders: another page meanwhile, ms"} | spread(page_ms),
        {"what": "web process, share of a core", "median": share},
        {"what": "until all were shut out, s", "median": all_shut_s},
        {"what": "of them told 408", "median": float(sum(b" 408 " in words for words in told))},
    ]


async def heard(reader: asyncio.StreamReader) -> bytes:
    """What a slow client was told, if its connection did not break before it could read that."""
    try:
        async with asyncio.timeout(1):
            return await reader.read(100)
    except (OSError, TimeoutError):
        return b""


async def slow_readers(count: int, address: str, process: psutil.Process) -> list[Row]:
    """Pages that open a stream and do not read it, while its answer grows to a megabyte of events."""
    from playground.chat.answer_stream import AnswerStream

    _, message, cookie = await asyncio.to_thread(make_thread, 2)
    port, path = int(address.rsplit(":", 1)[1]), f"/messages/{message.pk}/stream/"
    request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: sessionid={cookie}\r\n\r\n".encode()
    sockets, memory = [], process.memory_info().rss
    async with AnswerStream(message.pk).writing():
        for _ in range(count):
            sockets.append(await asyncio.to_thread(unread, port, request))
    began, most, page_ms = time.perf_counter(), 0, list[float]()
    writing = asyncio.create_task(write(message, 30, LONG_PARAGRAPH, 300))
    while not writing.done():
        page_ms += await page_times(address, 1)
        most = max(most, process.memory_info().rss - memory)
        await asyncio.sleep(1)
    await writing
    shut_s = 0.0
    while not shut_s and time.perf_counter() - began < GIVEN_UP_S:
        if open_connections(process) == 0:
            shut_s = time.perf_counter() - began
        await asyncio.sleep(0.5)
    for connection in sockets:
        connection.close()
    return [
        {"what": f"{count:,} who do not read: another page meanwhile, ms"} | spread(page_ms),
        {"what": "more memory of the web process at most, MiB", "median": most / 2**20},
        {"what": "until all were shut out, s", "median": shut_s},
    ]


def open_connections(process: psutil.Process) -> int:
    return sum(each.status == "ESTABLISHED" for each in process.net_connections("tcp"))


def unread(port: int, request: bytes) -> socket.socket:
    """A connection whose answer nobody reads, with as little room for it as there can be."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.connect(("127.0.0.1", port))
    connection.sendall(request)
    connection.recv(1)
    return connection


def main() -> None:
    parser = measuring.parser(__doc__)
    parser.add_argument("--streams", type=int, nargs="+", default=[500, 5000])
    parser.add_argument("--answers", type=int, default=50)
    parser.add_argument("--pace", type=float, default=30, help="words a second of each answer")
    parser.add_argument("--slow", type=int, default=2000, help="clients that send slowly")
    parser.add_argument("--readers", type=int, default=500, help="clients that do not read")
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
        print(rows[-4:], flush=True)
        rows += asyncio.run(slow_readers(options.readers, address, process))
    notes = [f"Answers of {WORDS} words, {options.pace:g} a second. One web process. Times in ms where said."]
    measuring.keep(options, "crowd", "Thousands of open streams, and slow clients", notes, rows, load)


if __name__ == "__main__":
    main()
