"""How smooth a long chat is in Chromium: times between frames while a long answer streams into it.

`python -m benchmarks.smoothness [--messages 2000] [--tokens 30000] [--pace 500] [--shape mixed code]`. A chat
of so many messages is opened in headless Chromium (which draws in software here), and an answer of so many
tokens is written at a steady pace into its stream, spans included, by the chat's own outbox, through a real
Redis. Frame times are those of requestAnimationFrame, blocked ones those of the Long Tasks API.
"""

import argparse
import asyncio
import json
import os
import secrets
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import psutil

from benchmarks import measuring
from benchmarks.live import site
from benchmarks.measuring import Row

WATCH = """() => {
    window.frames_ms = []; window.tasks_ms = []; window.shift = 0;
    let last = performance.now();
    const tick = (now) => { frames_ms.push(now - last); last = now; requestAnimationFrame(tick); };
    requestAnimationFrame(tick);
    new PerformanceObserver((list) => list.getEntries().forEach((e) => tasks_ms.push(e.duration)))
        .observe({ type: "longtask" });
    new PerformanceObserver((list) => list.getEntries().forEach((e) => { window.shift += e.value; }))
        .observe({ type: "layout-shift" });
}"""
BELOW = "document.scrollingElement.scrollHeight - window.innerHeight - window.scrollY"
PARAGRAPH = (
    "The river rises in the hills, **where it rains** most of the year, and a part of what falls there "
    "reaches the sea only after `os.path.join(a, b)` has been called; see *the whole of it*.\n\n"
)
LIST = "- one thing that is said\n- another, said *again*\n\n"
CODE = "```python\ndef area(width, height):\n    return width * height  # in metres\n```\n\n"
MIXED = f"## A heading\n\n{PARAGRAPH}{PARAGRAPH}{LIST}{CODE}"
CODE_LINE = "    total = add(total, price_of(item), discount=rate[item.kind])  # of one item\n"
CHARACTERS_A_TOKEN = 4
SPAN_EVERY, SPAN_TOKENS = 20, 8


def text_of(shape: str, tokens: int) -> str:
    """A text of so many tokens: of all that Markdown has, or one block of code."""
    size = tokens * CHARACTERS_A_TOKEN
    if shape == "code":
        return "```python\n" + (CODE_LINE * (size // len(CODE_LINE) + 1))[: size - 10]
    return (MIXED * (size // len(MIXED) + 1))[:size]


def make_thread(messages: int) -> tuple[Any, Any, str]:
    """A chat of so many messages, its last an answer that is being written, and the session that owns it."""
    from django.contrib.sessions.backends.db import SessionStore

    from playground.models import Message, MessageState, Role, Thread

    session = SessionStore()
    session.create()
    thread = Thread.objects.create(session_key=session.session_key, title="A long chat")
    parent, made = None, []
    for position in range(messages):
        is_answer = position % 2 == 1
        message = Message(thread=thread, position=position, parent=parent, raw_text=PARAGRAPH)
        message.role = Role.ASSISTANT if is_answer else Role.USER
        if is_answer:
            message.raw_text = f"Answer {position}.\n\n{MIXED}".replace("river", f"river {position}")
        made.append(message)
        parent = message
    made[-1].raw_text, made[-1].state = "", MessageState.WRITING
    Message.objects.bulk_create(made, batch_size=200)
    return thread, made[-1], session.session_key


@contextmanager
def served() -> Iterator[str]:
    """The site by uvicorn, in a thread of this process."""
    import uvicorn

    config = uvicorn.Config("config.asgi:application", port=0, log_level="error", lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


@asynccontextmanager
async def browser_page(address: str, session_key: str) -> AsyncIterator[Any]:
    from playwright.async_api import async_playwright

    from tests.browser.conftest import CHROMIUM, FLAGS

    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        context = await browser.new_context(viewport={"width": 1360, "height": 850})
        await context.add_cookies([{"name": "sessionid", "value": session_key, "url": address}])
        try:
            yield await context.new_page()
        finally:
            await browser.close()


async def write(message: Any, text: str, pace: int) -> None:
    """The whole answer, at so many tokens a second, as the chat's own writer does it."""
    from playground.chat.answer_stream import AnswerStream
    from playground.chat.drafts import take
    from playground.chat.generation import finish
    from playground.chat.live_spans import LiveSpans
    from playground.chat.outbox import Outbox
    from playground.completions import Piece
    from playground.models import MessageState

    stream, draft = AnswerStream(message.pk), await take(message.pk)
    assert draft is not None
    spans = LiveSpans(None)
    async with stream.writing():
        outbox = Outbox(draft, stream, spans)
        began = time.perf_counter()
        async with outbox.sending():
            for number in range(len(text) // CHARACTERS_A_TOKEN):
                await asyncio.sleep(max(0.0, began + number / pace - time.perf_counter()))
                start = number * CHARACTERS_A_TOKEN
                outbox.add(Piece((number % 1000,), text[start : start + CHARACTERS_A_TOKEN]))
                if number % SPAN_EVERY == SPAN_TOKENS:
                    span = (start - SPAN_TOKENS * CHARACTERS_A_TOKEN, start)
                    spans.shown.add(span)
                    await outbox.tell({"type": "spans", "new": [span], "gone": []})
        draft.token_ids = []  # there is no model to trace them to
        await finish(draft, stream, MessageState.COMPLETE, "")


async def measure(messages: int, shape: str, tokens: int, pace: int) -> list[Row]:
    thread, message, session_key = await asyncio.to_thread(make_thread, messages)
    with served() as address:
        async with browser_page(address, session_key) as page:
            began = time.perf_counter()
            writer = asyncio.create_task(write(message, text_of(shape, tokens), pace))
            await page.goto(f"{address}/chat/{thread.pk}/", wait_until="load", timeout=120_000)
            loaded_s = time.perf_counter() - began
            paint = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime"
            painted_ms = await page.evaluate(paint)
            await page.wait_for_selector(f"#answer-{message.pk} .block", timeout=60_000)
            await page.evaluate(WATCH)
            cpu = psutil.Process().cpu_times()
            watched = time.perf_counter()
            await writer
            await page.evaluate("window.written = frames_ms.length")
            busy = sum(psutil.Process().cpu_times()[:2]) - sum(cpu[:2])
            share = busy / (time.perf_counter() - watched)
            await page.wait_for_selector(f"#message-{message.pk}.answer-complete", timeout=60_000)
            await asyncio.sleep(1)
            frames, tasks, shift = await page.evaluate("[frames_ms, tasks_ms, shift]")
            shown = await page.evaluate(f"document.getElementById('answer-{message.pk}').innerText.length")
            below = await page.evaluate(BELOW)
    name = f"{messages:,} messages, {tokens:,} tokens of {shape} at {pace}/s"
    return [
        {"what": f"frames, ms: {name}"} | spread(frames),
        {"what": "blocked longer than 50 ms, ms"} | spread(tasks),
        {"what": "page loaded, s", "median": loaded_s, "n": 1},
        {"what": "first paint, ms", "median": painted_ms, "n": 1},
        {"what": "layout shift", "median": shift, "n": 1},
        {"what": "below the window in the end, px", "median": float(below), "n": 1},
        {"what": "web process, share of a core", "median": share, "n": 1},
        {"what": "characters shown in the end", "median": float(shown), "n": 1},
    ]


def spread(times_ms: list[float]) -> Row:
    ordered = sorted(times_ms) or [0.0]
    at = {"median": 0.5, "p95": 0.95, "p99": 0.99}
    return {
        **{name: ordered[min(len(ordered) - 1, int(part * len(ordered)))] for name, part in at.items()},
        "largest": ordered[-1],
        "n": len(times_ms),
    }


def main() -> None:
    options, load = parse(), measuring.load()
    rows: list[Row] = []
    os.environ |= {"HEADWATER_ANONYMOUS": "1", "SECRET_KEY": secrets.token_hex(32)}
    with site():
        from django.core.management import call_command

        call_command("migrate", verbosity=0)
        for shape in options.shape:
            for messages in sorted({2, options.messages}):
                measured = asyncio.run(measure(messages, shape, options.tokens, options.pace))
                print(json.dumps(measured, indent=1), flush=True)
                rows += measured
    notes = ["Headless Chromium, drawing in software, on the same cores as the site that it shows."]
    measuring.keep(options, "smoothness", "Frames while a long answer streams", notes, rows, load)


def parse() -> argparse.Namespace:
    parser = measuring.parser(__doc__)
    parser.add_argument("--messages", type=int, default=2000)
    parser.add_argument("--tokens", type=int, default=30_000)
    parser.add_argument("--pace", type=int, default=500, help="tokens a second")
    parser.add_argument("--shape", nargs="+", choices=["mixed", "code"], default=["mixed", "code"])
    return parser.parse_args()


if __name__ == "__main__":
    main()
