"""Tokens a second through the page's own stream and through /v1, beside the engine itself, at 1 and 8 chats.

`python -m benchmarks.stream [--recipe test] [--chats 1 8] [--tokens 128]`. Starts `manage.py demo` on a fresh
data directory, lets it train its flow, and asks the think model the same questions in each way, greedily, so
that every way writes the same tokens. The first token of the page is its first visible event.
"""

import argparse
import asyncio
import json
import re
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from uuid import UUID

import httpx

from benchmarks import machine
from playground.core.prompt import ChatFormat
from tests.sites import DemoSite
from training.core.serving.engine_process import SERVED_NAME

PROMPTS = [
    f"What is {one} + {other}?" for one, other in zip(range(11, 29, 2), range(12, 28, 2), strict=False)
]


@dataclass(frozen=True)
class Chat:
    """One answer: how many tokens, and seconds from the question to the first of them."""

    tokens: int
    first_s: float


@dataclass(frozen=True)
class Figure:
    """One way at so many chats at once: tokens a second of all together, and the first token's delay."""

    way: str
    chats: int
    tokens_per_s: float
    first_token_ms: float


Ask = Callable[[str], Awaitable[Chat]]


@dataclass
class Asker:
    """The three ways to ask one checkpoint."""

    site: DemoSite
    model: str
    tokens: int
    engine: httpx.AsyncClient
    web: httpx.AsyncClient

    def __post_init__(self) -> None:
        self.chat = ChatFormat(self.site.home / "checkpoints" / self.model)

    async def engine_directly(self, prompt: str) -> Chat:
        ids = self.chat.prompt([{"role": "user", "content": prompt}]).token_ids
        body = {
            "model": SERVED_NAME,
            "prompt": ids,
            "stop_token_ids": sorted(self.chat.end_ids),
            "ignore_eos": True,
            "return_token_ids": True,
        }
        return await self._stream(self.engine, "/v1/completions", body, "token_ids")

    async def v1(self, prompt: str) -> Chat:
        body = {
            "model": self.model,
            "messages": [{"role": "user", "content": prompt}],
            "return_token_ids": True,
        }
        return await self._stream(self.web, "/v1/chat/completions", body, "token_ids")

    async def page(self, prompt: str) -> Chat:
        """As a browser does it: send the form, follow the redirect's thread, read its answer's events."""
        form = {"text": prompt, "model": self.model, "temperature": 0, "max_tokens": self.tokens}
        began, first_s = time.monotonic(), 0.0
        headers = {"X-CSRFToken": self.web.cookies["csrftoken"], "Referer": self.site.url}
        sent = await self.web.post("/chat/", data=form, headers=headers)
        [thread] = re.findall(r"/chat/([0-9a-f-]{36})/", sent.headers["location"])
        query = "SELECT id FROM playground_message WHERE thread_id = ? AND role = 'assistant'"
        [[answer]] = self.site.rows(query, UUID(thread).hex)
        async with self.web.stream("GET", f"/messages/{UUID(answer)}/stream/") as response:
            async for _ in response.aiter_lines():
                first_s = first_s or time.monotonic() - began
        [[token_ids]] = self.site.rows("SELECT token_ids FROM playground_message WHERE id = ?", answer)
        return Chat(len(json.loads(token_ids)), first_s)

    async def _stream(self, client: httpx.AsyncClient, path: str, body: dict[str, object], name: str) -> Chat:
        began, first_s, tokens = time.monotonic(), 0.0, 0
        body |= {"stream": True, "temperature": 0, "max_tokens": self.tokens}
        async with client.stream("POST", path, json=body) as response:
            response.raise_for_status()
            async for line in response.aiter_lines():
                if line.startswith("data: {"):
                    [choice] = json.loads(line[6:])["choices"]
                    ids = choice.get(name) or []
                    tokens += len(ids)
                    first_s = first_s or (time.monotonic() - began if ids else 0.0)
        return Chat(tokens, first_s)


@asynccontextmanager
async def asker(site: DemoSite, model: str, tokens: int) -> AsyncIterator[Asker]:
    """Connections to the site and to the engine that holds the model, once it does."""
    site.api(
        "POST", "/v1/chat/completions", json={"model": model, "messages": [{"role": "user", "content": "a"}]}
    )
    query = "SELECT address FROM playground_engine e JOIN training_checkpoint c ON c.id = e.checkpoint_id"
    [[address]] = site.rows(f"{query} WHERE c.name = ? AND e.state = 'ready'", model)
    transport = httpx.AsyncHTTPTransport(uds=address.removeprefix("unix://"))
    headers = {"Authorization": f"Bearer {site.key}"}
    async with (
        httpx.AsyncClient(transport=transport, base_url="http://engine", timeout=300) as engine,
        httpx.AsyncClient(base_url=site.url, headers=headers, timeout=300, trust_env=False) as web,
    ):
        await web.get("/")
        yield Asker(site, model, tokens, engine, web)


async def measure(ask: Ask, way: str, chats: int, repeat: int) -> Figure:
    """The median of some runs, after one that warms everything up."""
    runs = [await run(ask, chats) for _ in range(repeat + 1)][1:]
    return Figure(
        way,
        chats,
        statistics.median(tokens / wall_s for tokens, wall_s, _ in runs),
        1000 * statistics.median(first_s for _, _, first_s in runs),
    )


async def run(ask: Ask, chats: int) -> tuple[int, float, float]:
    """All tokens, seconds until the last of them, and the median delay of the first."""
    began = time.monotonic()
    answers = await asyncio.gather(*(ask(PROMPTS[n % len(PROMPTS)]) for n in range(chats)))
    wall_s = time.monotonic() - began
    return sum(a.tokens for a in answers), wall_s, statistics.median(a.first_s for a in answers)


async def figures(site: DemoSite, options: argparse.Namespace) -> list[Figure]:
    async with asker(site, site.model("think-sft"), options.tokens) as ways:
        named = {"engine": ways.engine_directly, "/v1": ways.v1, "page": ways.page}
        return [
            await measure(ask, way, chats, options.repeat)
            for chats in options.chats
            for way, ask in named.items()
        ]


def table(measured: list[Figure]) -> list[str]:
    direct = {figure.chats: figure.tokens_per_s for figure in measured if figure.way == "engine"}
    lines = [
        "| chats | way | tokens/s | of the engine's | first token, ms |",
        "| --- | --- | --- | --- | --- |",
    ]
    for figure in measured:
        share = figure.tokens_per_s / direct[figure.chats]
        speed, first = f"{figure.tokens_per_s:.0f}", f"{figure.first_token_ms:.0f}"
        lines.append(f"| {figure.chats} | {figure.way} | {speed} | {share:.0%} | {first} |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recipe", default="test", help="recipe of the model, trained first")
    parser.add_argument("--chats", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--tokens", type=int, default=128)
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    site = DemoSite(recipe=options.recipe)
    try:
        site.start().wait_until_trained()
        site.wait_until_ready()
        measured = asyncio.run(figures(site, options))
    finally:
        site.remove()
    title = f"# Streams: recipe {options.recipe}, up to {options.tokens} tokens an answer"
    data = json.dumps([asdict(figure) for figure in measured])
    text = "\n".join([title, machine.describe(), "", *table(measured), "", f"```json\n{data}\n```"]) + "\n"
    print(text)
    print(f"Kept in {machine.keep('stream', text)}")


if __name__ == "__main__":
    main()
