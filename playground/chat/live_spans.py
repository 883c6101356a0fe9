"""Spans of an answer as it grows. A broken store ends the tracing, never the answer."""

import asyncio
import logging
import time
from collections.abc import Sequence
from typing import Any

from playground.chat.answer_stream import Event
from playground.chat.drafts import Draft
from playground.database import in_database
from tracing.core.errors import TracingError
from training.traces import live_trace

logger = logging.getLogger(__name__)
INLINE_S = 0.003
"""Tokens that took longer are followed in a thread: shorter, the thread would cost more than they do."""


class LiveSpans:
    """What is lit so far: (start, end) in characters of the answer."""

    def __init__(self, live: Any) -> None:
        self.live = live
        self.shown: set[tuple[int, int]] = set()
        self._work_s = 1.0  # the first may have to read the index from the disk

    @classmethod
    async def open(cls, draft: Draft) -> "LiveSpans":
        """The spans of what a draft holds already, to be followed from there."""
        try:
            live = await in_database(live_trace, draft.message.checkpoint)
        except TracingError as error:
            logger.warning("No live trace for %s: %s", draft.message.checkpoint, error)
            live = None
        spans = cls(live)
        await spans.push(draft.token_ids)
        return spans

    async def push(self, token_ids: Sequence[int]) -> Event | None:
        """Follow the next tokens; gives what they change, if they do."""
        if self.live is None or not token_ids:
            return None
        try:
            if self._work_s > INLINE_S:
                return await asyncio.to_thread(self._follow, list(token_ids))
            return self._follow(token_ids)
        except TracingError as error:
            logger.warning("Live trace ended: %s", error)
            self.live = None
            return None

    def _follow(self, token_ids: Sequence[int]) -> Event | None:
        began = time.perf_counter()
        self.live.push(token_ids)
        shown = {(span.start, span.end) for span in self.live.spans()}
        new, gone = sorted(shown - self.shown), sorted(self.shown - shown)
        self.shown = shown
        self._work_s = time.perf_counter() - began
        return {"type": "spans", "new": new, "gone": gone} if new or gone else None
