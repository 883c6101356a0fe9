"""The answer's stream as the page sees it: what changed of its blocks, as often as its writer tells of it.

Each event's id is a position in the answer's stream. A page that lost its connection comes back with the last
one that it had, and is told what has changed since; any other is first told all there is.
"""

import json
import logging
import re
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.template.loader import render_to_string

from playground.chat.answer_state import AnswerState
from playground.chat.answer_stream import AnswerStream
from playground.chat.following import Followed, changes, following
from playground.chat.history import conversation
from playground.database import in_database, while_wanted
from playground.gateway.once import once
from playground.models import Message, MessageState
from playground.traces.painting import AnswerHtml
from tracing.withholding.hiding import hide_withheld
from training.traces import trace_answer

__all__ = ["AnswerState", "page_events", "traced_so_far"]

logger = logging.getLogger(__name__)
STILL_HERE = ": still here\n\n"
PARTS = ("thinking", "answer")
LINE_END = re.compile(r"\r\n|\r|\n")
Edit = tuple[int, int, str]
"""A block's number, how many of its characters stay (as JavaScript counts them), and what follows."""


@dataclass
class SentBlocks:
    """What one page has been sent, so that only what changed is sent again."""

    message: Message
    blocks: dict[str, list[str]] = field(default_factory=lambda: {part: [] for part in PARTS})
    status: str = ""
    shell: bool = False
    position: str = "0-0"

    def is_behind(self, position: str) -> bool:
        """Whether there may be news at a position: who has only begun to follow knows less than the page."""
        return order(position) >= order(self.position) and position != "0"

    def update(self, state: AnswerState, html: AnswerHtml, position: str) -> str:
        """The events that bring the page to `html`; empty when it is there already."""
        self.position = position
        fragments, status = "", self._render("_status.html", state=state, html=html)
        if html.has_thinking and not self.shell:
            self.shell = True
            fragments += self._render("_thinking_shell.html")
        if status != self.status:
            self.status = status
            fragments += status
        events = sse("update", fragments, position) if fragments else ""
        edits = {part: edit for part in PARTS if (edit := self._edit(part, getattr(html, part)))}
        if edits:
            events += sse("edit", json.dumps({"message": str(self.message.pk), **edits}), position)
        return events

    def _edit(self, part: str, blocks: list[str]) -> dict[str, Any] | None:
        before, self.blocks[part] = self.blocks[part], blocks
        edits = [
            edit_of(number, before[number] if number < len(before) else "", block)
            for number, block in enumerate(blocks)
            if number >= len(before) or before[number] != block
        ]
        if not edits and len(blocks) == len(before):
            return None
        return {"count": len(blocks), "blocks": edits}

    def _render(self, template: str, **context: object) -> str:
        return render_to_string(f"playground/{template}", {"message": self.message, **context})


def order(position: str) -> tuple[int, ...]:
    return tuple(map(int, position.split("-")))


def edit_of(number: int, before: str, block: str) -> Edit:
    same = common_length(before, block)
    return number, len(block[:same].encode("utf-16-le")) // 2, block[same:]


def common_length(one: str, other: str) -> int:
    """How many characters two texts have in common at their beginning."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def sse(event: str, text: str, position: str = "") -> str:
    lines = "".join(f"data: {line}\n" for line in LINE_END.split(text))
    place = f"id: {position}\n" if position else ""
    return f"event: {event}\n{place}{lines}\n"


async def page_events(
    message: Message, render_final: Callable[[UUID], Awaitable[str]], after: str = ""
) -> AsyncGenerator[str]:
    """Server-sent events of one answer: `update` and `edit`, the finished article last, then `done`.

    `after` is the id of the last event that the page has had, if it has had any.
    """
    if message.state == MessageState.WRITING:
        async with aclosing(growing_events(message, after)) as events:
            async for event in events:
                yield event
    query = Message.objects.filter(pk=message.pk)
    now = await once(("ended", message.pk), lambda: in_database(query.first))
    if now is not None and now.state != MessageState.WRITING:  # or else the page asks again
        yield sse("update", await render_final(message.pk))
        yield sse("done", "")


async def growing_events(message: Message, after: str) -> AsyncGenerator[str]:
    """The events of an answer that is being written, until it ends."""
    async with following(message) as followed:
        sent = await sent_until(followed, after)
        async for fresh in changes(followed):
            if not fresh:
                yield STILL_HERE
            elif sent.is_behind(followed.position) and (
                events := sent.update(followed.state, followed.html, followed.position)
            ):
                yield events


async def sent_until(followed: Followed, position: str) -> SentBlocks:
    """What a page has that was told all up to a position."""
    sent = SentBlocks(followed.message)
    if position and (html := await followed.until(position)):
        sent.position = position
        sent.blocks = {part: getattr(html, part) for part in PARTS}
        sent.shell = html.has_thinking
    return sent


async def traced_so_far(message: Message) -> dict[str, Any]:
    """An answer's trace; of what is there already, while it is still being written."""
    if message.state != MessageState.WRITING or message.checkpoint is None:
        return await in_database(hide_withheld, message.trace or {})
    state = AnswerState()
    for _, event in await AnswerStream(message.pk).read():
        state.fold(event)
    _, prompt = await in_database(conversation, message)
    return await while_wanted(trace_answer, message.checkpoint, state.token_ids, prompt)
