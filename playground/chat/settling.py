"""Answers whose writer died: all that it wrote is kept, marked as interrupted, and can be gone on with."""

import asyncio
import logging
from typing import Any
from uuid import UUID

from django.db import DatabaseError

from playground.chat.answer_state import AnswerState
from playground.chat.answer_stream import AnswerStream
from playground.chat.drafts import Draft
from playground.chat.history import conversation
from playground.database import in_database
from playground.models import Message, MessageState
from tracing.core.errors import TracingError
from training.traces import trace_answer

logger = logging.getLogger(__name__)
STOPPED = "Headwater was stopped while this answer was being written."
LOOK_AGAIN_S = 3.0


async def settle(message_id: UUID) -> None:
    """Mark an answer whose writer died as interrupted, keeping every piece that reached its stream."""
    message = await in_database(Message.objects.get, pk=message_id)
    stream = AnswerStream(message.pk)
    if message.state != MessageState.WRITING or await stream.has_writer():
        return
    state = AnswerState()
    for _, event in await stream.read():
        state.fold(event)
    fields: dict[str, Any] = {"state": MessageState.INTERRUPTED, "error": STOPPED, "writer": None}
    if len(state.token_ids) > len(message.token_ids):  # the stream may be ahead of the database by a second
        fields |= {"raw_text": state.text, "token_ids": state.token_ids, "thinking_s": state.thinking_s}
    unsettled = Message.objects.filter(pk=message.pk, state=MessageState.WRITING, writer=message.writer)
    try:
        if await in_database(unsettled.update, **fields):
            await in_database(trace_settled, message.pk)
    except DatabaseError as error:
        logger.error("Interrupted answer %s could not be saved yet: %s", message.pk, error)


def trace_settled(message_id: UUID) -> None:
    """Trace what an interrupted answer holds, as one that ended by itself is traced."""
    message = Message.objects.select_related("checkpoint", "thread").get(pk=message_id)
    trace = traced(Draft.of(message), conversation(message)[1]) if message.token_ids else None
    Message.objects.filter(pk=message_id, state=MessageState.INTERRUPTED, writer=None).update(trace=trace)


def traced(draft: Draft, prompt: str) -> dict[str, Any] | None:
    """The trace of an answer, or why there is none."""
    if not draft.token_ids or draft.message.checkpoint is None:
        return None
    try:
        return trace_answer(draft.message.checkpoint, draft.token_ids, prompt)
    except TracingError as error:
        logger.warning("Answer %s has no trace: %s", draft.message.pk, error)
        return {"error": str(error)}
    except Exception:
        logger.exception("Answer %s has no trace", draft.message.pk)
        return {"error": "The trace failed; the log has the details."}


async def settle_abandoned() -> int:
    """Settle every answer that has had no writer for a while, watched or not; says how many there were."""
    abandoned = await without_writer()
    if abandoned:
        await asyncio.sleep(LOOK_AGAIN_S)  # one that is just about to begin has its claim by then
        abandoned &= await without_writer()
    for message_id in abandoned:
        await settle(message_id)
    return len(abandoned)


async def without_writer() -> set[UUID]:
    writing = Message.objects.filter(state=MessageState.WRITING).values_list("pk", flat=True)
    ids = await in_database(list, writing)
    return {pk for pk in ids if not await AnswerStream(pk).has_writer()}
