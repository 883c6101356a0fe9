"""The answer's stream as the page sees it: HTML of the blocks that changed, at most 25 times a second.

Every reader folds the events from the first one on, so that a page that joins late, or again, is at once
where the others are. Blocks are replaced by id, so sending one twice changes nothing.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from django.db import DatabaseError
from django.template.loader import render_to_string

from playground.chat.answer_stream import AnswerStream, Event
from playground.chat.history import conversation
from playground.chat.presentation import live_html
from playground.database import in_database, while_wanted
from playground.models import Message, MessageState
from playground.traces.painting import AnswerHtml
from tracing.withholding.hiding import hide_withheld
from training.traces import trace_answer

logger = logging.getLogger(__name__)
FLUSH_S = 0.04  # of rest after each update, so that a span is in the page well within 100 ms
WAIT_MS = 1000


@dataclass
class AnswerState:
    """What the events say so far."""

    text: str = ""
    token_ids: list[int] = field(default_factory=list)
    waiting: str = ""
    spans: list[dict[str, Any]] = field(default_factory=list)
    thinking_s: float | None = None
    started: bool = False
    ended: bool = False

    def fold(self, event: Event) -> None:
        match event["type"]:
            case "start":
                self.text, self.token_ids = event["text"], list(event["ids"])
                self.thinking_s, self.started = event["thinking_s"], True
            case "waiting":
                self.waiting = event["reason"]
            case "piece":
                self.text += event["text"]
                self.token_ids += event["ids"]
                self.waiting = ""
            case "thought":
                self.thinking_s = event["seconds"]
            case "spans":
                self.spans = event["spans"]
            case "end":
                self.ended = True


@dataclass
class SentBlocks:
    """What one page has been sent, so that only what changed is sent again."""

    message: Message
    blocks: dict[str, list[str]] = field(default_factory=lambda: {"thinking": [], "answer": []})
    status: str = ""
    shell: bool = False

    def update(self, state: AnswerState) -> str:
        """The out-of-band fragments that bring the page up to `state`; empty when it is there already."""
        html = live_html(self.message, state.text, state.spans)
        fragments = []
        status = render_to_string(
            "playground/_status.html", {"message": self.message, "state": state, "html": html}
        )
        if html.has_thinking and not self.shell:
            self.shell = True
            fragments.append(self._render("_thinking_shell.html"))
        if status != self.status:
            fragments.append(status)
            self.status = status
        fragments += self._changed("thinking", html) + self._changed("answer", html)
        return "".join(fragments)

    def _changed(self, part: str, html: AnswerHtml) -> list[str]:
        sent, blocks = self.blocks[part], getattr(html, part)
        changed = [
            self._render("_block.html", part=part, number=number, html=block, new=number >= len(sent))
            for number, block in enumerate(blocks)
            if number >= len(sent) or sent[number] != block
        ]
        # Markdown may join two blocks into one as text arrives: the later block is emptied, not left behind.
        emptied = [
            self._render("_block.html", part=part, number=number, html="", new=False)
            for number in range(len(blocks), len(sent))
            if sent[number]
        ]
        self.blocks[part] = blocks + [""] * (len(sent) - len(blocks))
        return changed + emptied

    def _render(self, template: str, **context: object) -> str:
        return render_to_string(f"playground/{template}", {"message": self.message, **context})


def sse(event: str, html: str) -> str:
    lines = "".join(f"data: {line}\n" for line in html.splitlines() or [""])
    return f"event: {event}\n{lines}\n"


async def page_events(message: Message, render_final: Any) -> AsyncIterator[str]:
    """Server-sent events of one answer: `update` fragments, the finished article last, then `done`."""
    state, sent = AnswerState(), SentBlocks(message)
    async for fresh in folded(message, state):
        if fresh and (html := await asyncio.to_thread(sent.update, state)):
            yield sse("update", html)
        elif not fresh:
            yield ": still here\n\n"
    yield sse("update", await render_final(message.pk))
    yield sse("done", "")


async def folded(message: Message, state: AnswerState) -> AsyncIterator[bool]:
    """Fold the events into `state`, yielding True where something came, False where a second was silent.

    Ends with the answer; an answer without a living writer is settled from what its stream holds.
    """
    stream = AnswerStream(message.pk)
    last, flushed = "0", 0.0
    while not state.ended:
        entries = await stream.read(last, wait_ms=WAIT_MS)
        if entries and (pause := flushed + FLUSH_S - time.monotonic()) > 0:
            await asyncio.sleep(pause)
            entries += await stream.read(entries[-1][0])
        for _, event in entries:
            state.fold(event)
        last = entries[-1][0] if entries else last
        if not entries and not await stream.has_writer():
            await settle(message.pk)
            return
        yield bool(entries)
        flushed = time.monotonic()


async def settle(message_id: object) -> None:
    """Mark an answer whose writer died as interrupted, keeping every piece that reached its stream."""
    message = await in_database(Message.objects.get, pk=message_id)
    stream = AnswerStream(message.pk)
    if message.state != MessageState.WRITING or await stream.has_writer():
        return
    state = AnswerState()
    for _, event in await stream.read():
        state.fold(event)
    fields: dict[str, Any] = {
        "state": MessageState.INTERRUPTED,
        "error": "Headwater was stopped while this answer was being written.",
    }
    if len(state.token_ids) > len(message.token_ids):  # the stream may be ahead of the database by a second
        fields |= {"raw_text": state.text, "token_ids": state.token_ids, "thinking_s": state.thinking_s}
    try:
        await in_database(Message.objects.filter(pk=message.pk, state=MessageState.WRITING).update, **fields)
    except DatabaseError as error:
        logger.error("Interrupted answer %s could not be saved yet: %s", message.pk, error)


async def traced_so_far(message: Message) -> dict[str, Any]:
    """An answer's trace; of what is there already, while it is still being written."""
    if message.state != MessageState.WRITING or message.checkpoint is None:
        return await in_database(hide_withheld, message.trace or {})
    state = AnswerState()
    for _, event in await AnswerStream(message.pk).read():
        state.fold(event)
    _, prompt = await in_database(conversation, message)
    return await while_wanted(trace_answer, message.checkpoint, state.token_ids, prompt)
