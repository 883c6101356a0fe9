"""What a model wrote and nobody has been told yet: told, traced and saved at a pace, not token by token.

A token by itself costs a round trip to Redis, a thread for the tracer and an update of every page; at the
speed of eight answers at once that is more than the engine's own work.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from playground.cancellation import end
from playground.chat.answer_stream import AnswerStream, Event
from playground.chat.drafts import Draft, save
from playground.chat.live_spans import LiveSpans
from playground.completions import Piece

EVERY_S = 0.04
"""So long between two tellings, so that a span is seen well within 100 ms."""
PATIENCE_S = 0.02
"""So long words wait for what is lit in them, to be told with it; then they go alone."""
SAVE_EVERY_S = 1.0
WHOLE_EVERY = 1000
"""After so many events one that says all there is, so that a reader has no more of them to go through."""


class Outbox:
    """Pieces on their way from the model to the answer's stream. `keep` saves the draft."""

    def __init__(
        self,
        draft: Draft,
        stream: AnswerStream,
        spans: LiveSpans,
        keep: Callable[[Draft], Awaitable[object]] = save,
    ) -> None:
        self.draft, self.stream, self.spans, self.keep = draft, stream, spans, keep
        self._text, self._ids = "", list[int]()
        self._added, self._turn = asyncio.Event(), asyncio.Lock()
        self._told = WHOLE_EVERY  # events since the last whole one; the first is one
        self._saved = time.monotonic()
        self._sender: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def sending(self) -> AsyncIterator[None]:
        """Send in the background what is added meanwhile, and at the end what is left."""
        await self.tell()
        self._sender = asyncio.create_task(self._send_always())
        try:
            yield
            await self._turn.acquire()  # what is just being sent is sent to its end
        finally:
            await end(self._sender)
        await self._send()

    def add(self, piece: Piece) -> None:
        """Raises what ended the sending, if something did."""
        if self._sender is not None and self._sender.done():
            self._sender.result()
        self.draft.add(piece)
        self._text += piece.text
        self._ids += piece.token_ids
        self._added.set()

    async def tell(self, *events: Event) -> None:
        """Add events to the stream; at first, now and then and after Redis was away, all there is instead."""
        whole = self._told >= WHOLE_EVERY
        taken = await (self.stream.begin_with(self.whole()) if whole else self.stream.append(*events))
        self._told = WHOLE_EVERY if not taken else 0 if whole else self._told + len(events)

    def whole(self) -> Event:
        """All that is written and lit, but what is still to be sent, as one event."""
        draft = self.draft
        text = draft.raw_text[: len(draft.raw_text) - len(self._text)]
        ids = draft.token_ids[: len(draft.token_ids) - len(self._ids)]
        spans = sorted(self.spans.shown)
        return {"type": "start", "text": text, "ids": ids, "thinking_s": draft.thinking_s, "spans": spans}

    async def _send_always(self) -> None:
        while True:
            await self._added.wait()
            async with self._turn:
                await self._send()
            await asyncio.sleep(EVERY_S)

    async def _send(self) -> None:
        self._added.clear()
        text, ids, self._text, self._ids = self._text, self._ids, "", []
        if ids:
            seconds = self.draft.note_end_of_thinking()
            thought = [{"type": "thought", "seconds": seconds}] if seconds is not None else []
            await self._tell_lit({"type": "piece", "text": text, "ids": ids}, *thought)
        # The longer the answer, the more a saving costs: its stream has every piece meanwhile.
        if time.monotonic() - self._saved > SAVE_EVERY_S * max(1, len(self.draft.token_ids) / 5000):
            await self.keep(self.draft)
            self._saved = time.monotonic()

    async def _tell_lit(self, *events: Event) -> None:
        """Tell a piece together with what it lights; apart from it only where the tracer takes long."""
        lighting = asyncio.create_task(self.spans.push(events[0]["ids"]))
        try:
            done, _ = await asyncio.wait({lighting}, timeout=PATIENCE_S)
            if not done:
                await self.tell(*events)
                events = ()
            if changed := await lighting:
                events = (*events, changed)
            if events:
                await self.tell(*events)
        finally:
            lighting.cancel()
