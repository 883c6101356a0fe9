"""The client of engines' streams: what it hands on, how it ends, what it says of servers that misbehave."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import pytest
import uvloop

from playground.core.engine_http import ConnectionBroke, ErrorAnswer, post_for_events

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
END = b"0\r\n\r\n"
Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


@asynccontextmanager
async def server(path: Path, answer: Answer) -> AsyncIterator[tuple[str, list[int]]]:
    """An HTTP server on a Unix socket; its address, and for each connection how many requests came."""
    requests: list[int] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number = len(requests)
        requests.append(0)
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = int(head.lower().partition(b"content-length: ")[2].split()[0])
                json.loads(await reader.readexactly(length))
                requests[number] += 1
                await answer(reader, writer)
        except (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
            pass
        finally:
            writer.close()

    socket = str(path / "s.sock")
    async with await asyncio.start_unix_server(serve, socket):
        yield f"unix://{socket}", requests


async def events_of(address: str, silence_s: float = 5) -> list[bytes]:
    events = post_for_events(address, "/v1/completions", {"prompt": [1, 2]}, silence_s=silence_s)
    return [data async for together in events for data in together]


async def test_events_come_whole_however_they_are_cut(tmp_path: Path) -> None:
    body = b": a comment\n" + b"".join(b"data: {%d}\n\n" % n for n in range(5)) + b"data: [DONE]\n\n"

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for part in (HEAD, *(chunk(body[n : n + 7]) for n in range(0, len(body), 7)), END):
            for byte in part:
                writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0)

    async with server(tmp_path, answer) as (address, _):
        assert await events_of(address) == [b"{%d}" % n for n in range(5)]


async def test_a_connection_is_used_again_once_its_answer_is_whole(tmp_path: Path) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD + chunk(b"data: 1\n\n") + END)

    async with server(tmp_path, answer) as (address, requests):
        for _ in range(3):
            assert await events_of(address) == [b"1"]
        assert requests == [3]
        await asyncio.gather(*(events_of(address) for _ in range(2)))
        assert sum(requests) == 5


async def test_leaving_an_answer_closes_the_connection(tmp_path: Path) -> None:
    left = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD + chunk(b"data: 1\n\n"))
        await reader.read()
        left.set()

    async with server(tmp_path, answer) as (address, _):
        async with aclosing(post_for_events(address, "/", {}, silence_s=5)) as events:
            assert await anext(events) == [b"1"]
        await asyncio.wait_for(left.wait(), 5)


async def test_an_error_answer_is_told_with_its_body(tmp_path: Path) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 8\r\n\r\ntoo ")
        await writer.drain()
        await asyncio.sleep(0.01)
        writer.write(b"long")

    async with server(tmp_path, answer) as (address, _):
        with pytest.raises(ErrorAnswer) as caught:
            await events_of(address)
    assert (caught.value.status, caught.value.body) == (400, b"too long")


@pytest.mark.parametrize("said", [b"", HEAD, HEAD + chunk(b"data: 1\n\n"), b"no HTTP at all\r\n\r\n"])
async def test_a_server_that_breaks_off_is_told_so(tmp_path: Path, said: bytes) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(said)
        await writer.drain()
        raise ConnectionError

    async with server(tmp_path, answer) as (address, _):
        with pytest.raises(ConnectionBroke):
            await events_of(address)


async def test_a_server_that_is_not_there_or_says_nothing_is_told_so(tmp_path: Path) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    with pytest.raises(ConnectionBroke):
        await events_of(f"unix://{tmp_path}/nobody.sock")
    async with server(tmp_path, answer) as (address, _):
        with pytest.raises(ConnectionBroke, match="nothing came"):
            await events_of(address, silence_s=0.05)


async def test_a_reader_that_is_slow_slows_the_server_down_and_loses_nothing(tmp_path: Path) -> None:
    pieces, written = 3000, 0

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal written
        writer.write(HEAD)
        for n in range(pieces):
            writer.write(chunk(b"data: %d %s\n\n" % (n, b"x" * 1000)))
            await writer.drain()
            written = n
        writer.write(END)

    async with server(tmp_path, answer) as (address, _):
        got: list[bytes] = []
        async for together in post_for_events(address, "/", {}, silence_s=5):
            if not got:
                await asyncio.sleep(0.2)
                assert written < pieces - 1
            got += together
        assert [int(data.split()[0]) for data in got] == list(range(pieces))


def test_it_reads_on_the_web_servers_loop_too(tmp_path: Path) -> None:
    """uvloop's transports differ from asyncio's in small things."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD + chunk(b"data: 1\n\n") + END)

    async def ask_twice() -> list[list[bytes]]:
        async with server(tmp_path, answer) as (address, _):
            return [await events_of(address), await events_of(address)]

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(ask_twice()) == [[b"1"], [b"1"]]
