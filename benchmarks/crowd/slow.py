"""Clients that send or read very slowly."""

import asyncio
import socket
import time

from benchmarks.crowd.site import Web, open_connections
from benchmarks.crowd.streams import write
from benchmarks.measuring import Row
from benchmarks.smoothness import make_thread, spread

LONG_PARAGRAPH = "of a paragraph that goes on for a while, " * 40 + "\n\n"
GIVEN_UP_S = 180.0


async def slow_clients(count: int, web: Web) -> list[Row]:
    """Connections that send a letter of a header each second, and a body that never ends."""
    connections: list[tuple[asyncio.Task[bytes], asyncio.StreamWriter]] = []
    for number in range(count):
        reader, writer = await asyncio.open_connection("127.0.0.1", web.port)
        if number % 2:
            writer.write(b"GET / HTTP/1.1\r\nX: ")
        else:
            writer.write(b"POST /chat/ HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000\r\n\r\n")
        connections.append((asyncio.create_task(heard(reader)), writer))
    before, began, page_ms, all_shut_s = web.cpu_s(), time.perf_counter(), list[float](), 0.0
    while not all_shut_s and time.perf_counter() - began < GIVEN_UP_S:
        for _, writer in connections:
            if not writer.is_closing():
                writer.write(b"x")
        await asyncio.sleep(1)
        if len(page_ms) < 20:
            page_ms += await web.page_times(2)
        if all(told.done() for told, _ in connections):
            all_shut_s = time.perf_counter() - began
    share = (web.cpu_s() - before) / (time.perf_counter() - began)
    for told, writer in connections:
        told.cancel()
        writer.close()
    words = await asyncio.gather(*(told for told, _ in connections), return_exceptions=True)
    return [
        {"what": f"{count:,} slow senders: another page meanwhile, ms"} | spread(page_ms),
        {"what": "web process, share of a core", "median": share},
        {"what": "until all were shut out, s", "median": all_shut_s},
        {
            "what": "of them told 408",
            "median": float(sum(b" 408 " in each for each in words if isinstance(each, bytes))),
        },
    ]


async def heard(reader: asyncio.StreamReader) -> bytes:
    """What a slow client was told, if its connection did not break before it could read that."""
    try:
        return await reader.read(100)
    except OSError:
        return b""


async def slow_readers(count: int, web: Web) -> list[Row]:
    """Pages that open a stream and do not read it, while its answer grows to a megabyte of events."""
    from playground.chat.answer_stream import AnswerStream

    _, message, cookie = await asyncio.to_thread(make_thread, 2)
    path = f"/messages/{message.pk}/stream/"
    request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: sessionid={cookie}\r\n\r\n".encode()
    sockets, before = [], web.held()
    async with AnswerStream(message.pk).writing():
        for _ in range(count):
            sockets.append(await asyncio.to_thread(unread, web.port, request))
    began, most, page_ms = time.perf_counter(), 0.0, list[float]()
    writing = asyncio.create_task(write(message, 30, LONG_PARAGRAPH, 300))
    while not writing.done():
        page_ms += await web.page_times(1)
        most = max(most, web.held().memory_mib - before.memory_mib)
        await asyncio.sleep(1)
    await writing
    shut_s = 0.0
    while not shut_s and time.perf_counter() - began < GIVEN_UP_S:
        if open_connections(web.process) == 0:
            shut_s = time.perf_counter() - began
        await asyncio.sleep(0.5)
    for connection in sockets:
        connection.close()
    return [
        {"what": f"{count:,} who do not read: another page meanwhile, ms"} | spread(page_ms),
        {"what": "more memory of the web process at most, MiB", "median": most},
        {"what": "until all were shut out, s", "median": shut_s},
    ]


def unread(port: int, request: bytes) -> socket.socket:
    """A connection whose answer nobody reads, with as little room for it as there can be."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.connect(("127.0.0.1", port))
    connection.sendall(request)
    connection.recv(1)
    return connection
