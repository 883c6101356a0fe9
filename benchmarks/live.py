"""Following an answer while it streams: processor time a token, and how late its spans are in the page.

`python -m benchmarks.live [--tokens N] [--answers N] [--directory DIR]`. Tokens come at a steady pace, as an
engine gives them, into the chat's own writing (`playground.chat.generation`) and through a real Redis; the
page is its stream of server-sent events. A span's delay runs from the arrival of the token after which the
tracer can show it to the event that paints it.
"""

import argparse
import asyncio
import json
import os
import re
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import corpora, measuring
from benchmarks.measuring import Row
from tracing.core.matching.spans import SpanOptions
from tracing.core.matching.warm_up import warm_up
from tracing.core.trace import Tracer

ANSWER_TOKENS = 400
LONG_ANSWER_TOKENS = 4000
PACES = (30, 100)  # tokens a second
PAINTED = re.compile(r"/spans/(\d+)-(\d+)/")

Times = dict[tuple[int, int], float]
Painted = list[tuple[tuple[int, int], float]]


def main() -> None:
    options, load = parse(), measuring.load()
    measuring.use_one_core()
    warm_up()
    with ExitStack() as stack:
        kept = Path(options.directory or stack.enter_context(tempfile.TemporaryDirectory()))
        store = corpora.open_or_build(kept, options.tokens)
        tracer, rng = Tracer([store], corpora.open_or_train(kept)), np.random.default_rng(4)
        answers = [corpora.stitched_text(store, options.size, rng) for _ in range(options.answers)]
        long = corpora.stitched_text(store, options.long, rng)
        rows = [pushes(tracer, "an answer", answers), pushes(tracer, "a long answer", [long])]
        stack.enter_context(site())
        rows += [asyncio.run(delays(tracer, answers, pace)) for pace in PACES]
    notes = [
        f"A store of {store.tokens:,} tokens. Answers of {options.size} tokens, a long one of "
        f"{options.long:,}. Times in ms.",
        "CPU: of following one token. Delay: from a token to the server-sent event that paints its span.",
        "Never painted: spans that no update painted whole (Markdown may hide them: not shown yet).",
    ]
    measuring.keep(options, "live", "Following answers while they stream", notes, rows, load)


def parse() -> argparse.Namespace:
    parser = measuring.parser(__doc__)
    parser.add_argument("--tokens", type=int, default=10_000_000, help="size of the store")
    parser.add_argument("--answers", type=int, default=4)
    parser.add_argument("--size", type=int, default=ANSWER_TOKENS, help="tokens of an answer")
    parser.add_argument("--long", type=int, default=LONG_ANSWER_TOKENS, help="tokens of the long answer")
    return parser.parse_args()


def pushes(tracer: Tracer, what: str, answers: list[list[int]]) -> Row:
    """Milliseconds to follow one token, pushed one by one."""
    times = []
    for answer in answers:
        live = tracer.live(SpanOptions())
        times += [measuring.elapsed_ms(live.push, [token]) for token in answer]
    return row_of(f"CPU a token of {what}", [cpu for _, cpu in times])


def row_of(what: str, times_ms: list[float]) -> Row:
    ordered = sorted(times_ms)
    p95 = ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))] if ordered else 0.0
    median = statistics.median(ordered) if ordered else 0.0
    return {
        "what": what,
        "median": median,
        "p95": p95,
        "largest": ordered[-1] if ordered else 0.0,
        "n": len(times_ms),
    }


@contextmanager
def site() -> Iterator[None]:
    """Django with a data directory of its own, and the Redis that the demo starts."""
    with tempfile.TemporaryDirectory() as home:
        os.environ |= {"HEADWATER_HOME": home, "DEBUG": "1", "DJANGO_SETTINGS_MODULE": "config.settings"}
        import django

        django.setup()
        from django.conf import settings

        from playground.demo.programs import embedded_redis

        for directory in (settings.EMBEDDED_REDIS_SOCKET.parent, settings.HOME / "redis"):
            directory.mkdir(parents=True, exist_ok=True)
        with subprocess.Popen(embedded_redis().command, stdout=subprocess.DEVNULL) as process:
            while not settings.EMBEDDED_REDIS_SOCKET.exists():
                time.sleep(0.02)
            try:
                yield
            finally:
                process.terminate()


async def delays(tracer: Tracer, answers: list[list[int]], pace: int) -> Row:
    """How late the spans of some answers are in their pages, one answer after the other."""
    found: list[float] = []
    updates = 0
    for answer in answers:
        shown, painted, events = await stream(tracer, answer, pace)
        updates += events
        found += [delay for place, at in shown.items() if (delay := delay_ms(place, at, painted)) is not None]
    row = row_of(f"delay to the page at {pace} tokens/s", [delay for delay in found if delay < float("inf")])
    unpainted = sum(delay == float("inf") for delay in found)
    return row | {
        "never painted": unpainted,
        "updates a second": updates / sum(len(answer) / pace for answer in answers),
    }


def delay_ms(place: tuple[int, int], at: float, painted: Painted) -> float | None:
    """From `at` until the page had painted these characters; None where it had done so before."""
    times = [when for (start, end), when in painted if start <= place[0] and place[1] <= end]
    if any(when < at for when in times):
        return None
    return 1e3 * (min(times) - at) if times else float("inf")


class Page:
    """The blocks that a browser's script would have put together from the stream's edits."""

    def __init__(self) -> None:
        self.blocks: dict[str, list[str]] = {"thinking": [], "answer": []}

    def take(self, events: str) -> bool:
        """Apply what one message brought; says whether it changed any block."""
        edits = [event for event in events.split("\n\n") if event.startswith("event: edit")]
        for event in edits:
            data = "\n".join(line[6:] for line in event.splitlines() if line.startswith("data: "))
            told = json.loads(data)
            for part in self.blocks.keys() & told.keys():
                self._apply(self.blocks[part], told[part]["count"], told[part]["blocks"])
        return bool(edits)

    def _apply(self, blocks: list[str], count: int, edits: list[tuple[int, int, str]]) -> None:
        blocks += [""] * (count - len(blocks))
        for number, same, rest in edits:
            blocks[number] = blocks[number].encode("utf-16-le")[: 2 * same].decode("utf-16-le") + rest
        del blocks[count:]

    def places(self) -> set[tuple[int, int]]:
        found = PAINTED.findall("".join(block for blocks in self.blocks.values() for block in blocks))
        return {(int(start), int(end)) for start, end in found}


async def stream(tracer: Tracer, answer: list[int], pace: int) -> tuple[Times, Painted, int]:
    """When the tracer could show each span, when which were painted, and how many updates there were."""
    from playground.chat.answer_stream import AnswerStream
    from playground.chat.page_stream import growing_events
    from playground.models import Message, MessageState, Role

    message = Message(role=Role.ASSISTANT, state=MessageState.WRITING, position=1)
    events = AnswerStream(message.pk)
    painted: Painted = []
    updates, page = 0, Page()

    async def read() -> None:
        nonlocal updates
        async for event in growing_events(message, ""):
            now, told = time.perf_counter(), page.take(event)
            updates += told
            painted.extend((place, now) for place in page.places() if told)

    async with events.writing():
        reader = asyncio.create_task(read())
        shown = await write(tracer, message, events, answer, pace)
        await reader
    return shown, painted, updates


async def write(tracer: Tracer, message: Any, events: Any, answer: list[int], pace: int) -> Times:
    """The answer's tokens at an even pace; gives when each span could be shown first."""
    from playground.chat.drafts import Draft
    from playground.chat.live_spans import LiveSpans
    from playground.chat.outbox import Outbox
    from playground.completions import Piece

    live, shown = tracer.live(), Times()
    outbox = Outbox(Draft(message), events, LiveSpans(live), keep=unsaved)
    (text, places), began, written = tracer.tokenizer.decode(answer), time.perf_counter(), 0
    follower, already = tracer.live(), set[tuple[int, int]]()  # another, that nothing holds up
    async with outbox.sending():
        for number, token in enumerate(answer):
            await asyncio.sleep(max(0.0, began + number / pace - time.perf_counter()))
            at = time.perf_counter()
            outbox.add(Piece((token,), text[written : places[number][1]]))
            written = places[number][1]
            follower.push([token])
            already = {(span.start, span.end) for span in follower.spans()}
            for place in already:
                shown.setdefault(place, at)
    await events.append({"type": "end"})
    return {place: at for place, at in shown.items() if place in already}


async def unsaved(draft: Any) -> None:
    """Instead of saving the draft: there is no row of it."""


if __name__ == "__main__":
    main()
