"""Many answers of /v1 that stream at the same time."""

import asyncio
import json
import time
from collections import Counter
from dataclasses import astuple, dataclass, field
from typing import Any

from benchmarks.crowd.site import CHAT, Held, Web, emptied, question
from benchmarks.crowd.streams import alone
from benchmarks.measuring import Row
from benchmarks.smoothness import spread

TOKENS = 8
GIVEN_UP_S = 400.0


@dataclass
class Programs:
    """What programs were told: the seconds of those whose answer came whole, and all other endings."""

    whole_s: list[float] = field(default_factory=list)
    first_s: list[float] = field(default_factory=list)
    others: Counter[str] = field(default_factory=Counter)

    async def ask(self, web: Web, number: int) -> None:
        """One answer, over a bare socket: thousands of HTTP clients would themselves be what is measured."""
        began = time.perf_counter()
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", web.port)
            writer.write(request_of(web, number))
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            first_s, told = time.perf_counter() - began, await reader.read()
            writer.close()
            self._count(head, told.decode(), first_s, time.perf_counter() - began)
        except (OSError, asyncio.IncompleteReadError) as error:
            self.others[type(error).__name__] += 1

    def _count(self, head: str, told: str, first_s: float, whole_s: float) -> None:
        if " 200 " in head.splitlines()[0] and '"finish_reason":"' in told and '"error"' not in told:
            self.first_s.append(first_s)
            self.whole_s.append(whole_s)
        else:
            again = [line for line in head.splitlines() if line.lower().startswith("retry-after")]
            self.others[" ".join([head.splitlines()[0], *again, told[-200:]])] += 1


def request_of(web: Web, number: int) -> bytes:
    body = json.dumps(question(f"{number}. Where does the river rise?", TOKENS, stream=True)).encode()
    head = f"POST {CHAT} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Length: {len(body)}\r\n"
    return f"{head}Authorization: Bearer {web.key}\r\n\r\n".encode() + body


async def programs(count: int, web: Web) -> list[Row]:
    """So many programs ask at once, and pages are asked for meanwhile."""
    before, told, cpu_s = web.held(), Programs(), web.cpu_s()
    asking: Any = asyncio.gather(*(told.ask(web, number) for number in range(count)))
    most, page_ms = await asyncio.gather(most_held(web, asking), pages(web, asking))
    asking.cancel()
    more_kib = 1024 * (most.memory_mib - before.memory_mib)
    for words, times in told.others.most_common(5):
        print(f"{times} × {words}", flush=True)
    return [
        {"what": f"{count:,} answers of /v1 at once: until it begins, s"} | spread(told.first_s),
        {"what": "until it is whole, s"} | spread(told.whole_s),
        {"what": "a new visitor's page meanwhile, ms"} | spread(page_ms),
        {"what": "answers that came whole"} | alone(len(told.whole_s)),
        {"what": "that were refused or broke off"} | alone(count - len(told.whole_s)),
        {"what": "web process, ms of a core an answer"} | alone(1e3 * (web.cpu_s() - cpu_s) / count),
        {"what": "more memory of it at most, KiB an answer"} | alone(more_kib / count),
        {"what": "its open files at most"} | alone(most.files),
        {"what": "until nobody is connected any more, s"} | alone(await emptied(web)),
    ]


async def most_held(web: Web, asking: "asyncio.Future[Any]") -> Held:
    """What the web process holds at most while programs ask."""
    most, deadline = web.held(), time.monotonic() + GIVEN_UP_S
    while not asking.done() and time.monotonic() < deadline:
        await asyncio.sleep(0.3)
        now = web.held()
        most = Held(*(max(each) for each in zip(astuple(most), astuple(now), strict=True)))
    return most


async def pages(web: Web, asking: "asyncio.Future[Any]") -> list[float]:
    times, deadline = [], time.monotonic() + GIVEN_UP_S
    while not asking.done() and time.monotonic() < deadline:
        times += await web.page_times(1)
        await asyncio.sleep(0.5)
    return times
