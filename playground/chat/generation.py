"""Writing an answer on the server, whatever the browser does.

The model's pieces go to the answer's stream as they come, and to the database once a second; the tracer
follows the same token ids, so spans light up while the answer is written. However it ends, what was
written stays: complete, stopped, interrupted or failed.
"""

import asyncio
import contextvars
import logging
import time
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.db import DatabaseError
from django.utils import timezone

from accounts.limits.spender import Spender
from playground.cancellation import end
from playground.chat.answer_stream import AnswerStream
from playground.chat.history import conversation, template_options
from playground.completions import (
    Finished,
    GenerationError,
    Piece,
    Waiting,
    stream_completion,
)
from playground.core.answering import AnswerParameters
from playground.core.think_split import split_thinking
from playground.database import in_database
from playground.metering import Meter, metered
from playground.models import Message, MessageState
from tracing.core.errors import TracingError
from training.access import checkpoints_for
from training.traces import live_trace, trace_answer

logger = logging.getLogger(__name__)
SAVE_EVERY_S = 1.0
SAVE_PATIENCE_S = 3600.0
SAVE_AGAIN_S = 15.0
_running: set[asyncio.Task[None]] = set()


@dataclass
class Draft:
    """The answer so far."""

    message: Message
    raw_text: str = ""
    token_ids: list[int] = field(default_factory=list)
    finish_reason: str = ""
    prompt: str = ""
    started: float = field(default_factory=time.monotonic)
    thinking_s: float | None = None
    first_token_at: Any = None

    def add(self, piece: Piece) -> None:
        self.first_token_at = self.first_token_at or timezone.now()
        self.raw_text += piece.text
        self.token_ids.extend(piece.token_ids)

    def note_end_of_thinking(self) -> float | None:
        """Seconds of thinking, once, when its end has just been written."""
        if self.thinking_s is not None:
            return None
        parts = split_thinking(self.raw_text, final=False)
        if parts.thinking is None or not parts.thinking_closed:
            return None
        self.thinking_s = round(time.monotonic() - self.started, 2)
        return self.thinking_s


def start_writing(message_id: UUID) -> None:
    """Begin to write an answer in the background of this process's event loop.

    An empty context, because a request's context holds a database thread that ends with the request.
    """
    task = asyncio.create_task(write_answer(message_id), context=contextvars.Context())
    _running.add(task)
    task.add_done_callback(_running.discard)


async def write_answer(message_id: UUID) -> None:
    """Write one answer to its end. Only one process at a time does it; a second caller returns at once."""
    stream = AnswerStream(message_id)
    async with stream.writing() as mine:
        if not mine:
            return
        messages = Message.objects.select_related("checkpoint", "thread")
        message = await in_database(lambda: messages.get(pk=message_id))
        draft = Draft(message, raw_text=message.raw_text, token_ids=list(message.token_ids))
        draft.thinking_s, draft.first_token_at = message.thinking_s, message.first_token_at
        state, error = await ending_of(draft, stream)
        await finish(draft, stream, state, error)


async def ending_of(draft: Draft, stream: AnswerStream) -> tuple[MessageState, str]:
    """Let the model write until it ends, somebody stops it, or something breaks; says which."""
    writer = asyncio.create_task(follow_model(draft, stream))
    stop = asyncio.create_task(stream.stop_asked())
    try:
        await asyncio.wait({writer, stop}, return_when=asyncio.FIRST_COMPLETED)
        if not writer.done():
            return MessageState.STOPPED, ""
        writer.result()
        return MessageState.COMPLETE, ""
    except GenerationError as error:
        return (MessageState.INTERRUPTED if draft.token_ids else MessageState.FAILED), str(error)
    except asyncio.CancelledError:
        return MessageState.INTERRUPTED, "Headwater was stopped while this answer was being written."
    except Exception:
        logger.exception("Answer %s failed", draft.message.pk)
        return MessageState.INTERRUPTED, "Something broke in Headwater; the log has the details."
    finally:
        await asyncio.gather(end(writer), end(stop))


def check_access(message: Message) -> None:
    """However an answer is begun, again or anew, its thread's owner must be one who may talk to its model."""
    checkpoint = message.checkpoint
    if not checkpoints_for(message.thread.owner).filter(pk=message.checkpoint_id).exists():
        raise GenerationError(f"{checkpoint} is not open to you now. Choose another model and send again.")


async def follow_model(draft: Draft, stream: AnswerStream) -> None:
    message = draft.message
    if message.checkpoint is None:
        raise GenerationError("The model that was to answer has been deleted. Choose another and send again.")
    await in_database(check_access, message)
    messages, draft.prompt = await in_database(conversation, message)
    spans = await LiveSpans.open(draft, stream)
    await stream.append(
        {"type": "start", "text": draft.raw_text, "ids": draft.token_ids, "thinking_s": draft.thinking_s}
    )
    saved = time.monotonic()
    answer = stream_completion(
        message.checkpoint,
        messages,
        AnswerParameters.from_dict(message.parameters).sampling,
        continue_token_ids=draft.token_ids or None,
        template_options=await in_database(template_options, message),
    )
    meter = Meter(
        Spender(user_id=message.thread.owner_id, session_key=message.thread.session_key),
        message.checkpoint.name,
    )
    async with aclosing(metered(answer, meter)) as events:
        async for event in events:
            match event:
                case Waiting(reason=reason):
                    await stream.append({"type": "waiting", "reason": reason})
                case Piece():
                    await take_piece(event, draft, stream)
                    await spans.push(event.token_ids)
                    if time.monotonic() - saved > SAVE_EVERY_S:
                        await save(draft)
                        saved = time.monotonic()
                case Finished(finish_reason=reason):
                    draft.finish_reason = reason


async def take_piece(piece: Piece, draft: Draft, stream: AnswerStream) -> None:
    draft.add(piece)
    await stream.append({"type": "piece", "text": piece.text, "ids": list(piece.token_ids)})
    if seconds := draft.note_end_of_thinking():
        await stream.append({"type": "thought", "seconds": seconds})


class LiveSpans:
    """Spans of the answer as it grows. A broken store ends the tracing, never the answer."""

    def __init__(self, live: Any, stream: AnswerStream) -> None:
        self.live, self.stream = live, stream

    @classmethod
    async def open(cls, draft: Draft, stream: AnswerStream) -> "LiveSpans":
        try:
            live = await in_database(live_trace, draft.message.checkpoint)
        except TracingError as error:
            logger.warning("No live trace for %s: %s", draft.message.checkpoint, error)
            live = None
        spans = cls(live, stream)
        if draft.token_ids:
            await spans.push(tuple(draft.token_ids))
        return spans

    async def push(self, token_ids: tuple[int, ...]) -> None:
        if self.live is None or not token_ids:
            return
        try:
            changed = await asyncio.to_thread(self.live.push, token_ids)
        except TracingError as error:
            logger.warning("Live trace ended: %s", error)
            self.live = None
            return
        if changed:
            spans = [{"start": span.start, "end": span.end} for span in self.live.spans()]
            await self.stream.append({"type": "spans", "spans": spans})


async def finish(draft: Draft, stream: AnswerStream, state: MessageState, error: str) -> None:
    """Trace the whole answer, save it, and tell the readers that it ended."""
    trace = await in_database(traced, draft)
    ended = {
        "state": state,
        "error": error,
        "finish_reason": draft.finish_reason if state == MessageState.COMPLETE else state.value,
        "trace": trace,
        "finished_at": timezone.now(),
    }
    if await save_until_done(draft, ended):
        await stream.expire()
    await stream.append({"type": "end"})


def traced(draft: Draft) -> dict[str, Any] | None:
    """The trace of the answer, or why there is none."""
    if not draft.token_ids or draft.message.checkpoint is None:
        return None
    try:
        return trace_answer(draft.message.checkpoint, draft.token_ids, draft.prompt)
    except TracingError as error:
        logger.warning("Answer %s has no trace: %s", draft.message.pk, error)
        return {"error": str(error)}
    except Exception:
        logger.exception("Answer %s has no trace", draft.message.pk)
        return {"error": "The trace failed; the log has the details."}


async def save(draft: Draft, **fields: Any) -> bool:
    """Save what is written so far. A database that refuses (a full disk) is logged and tried again later."""
    fields |= {"raw_text": draft.raw_text, "token_ids": draft.token_ids}
    fields |= {"thinking_s": draft.thinking_s, "first_token_at": draft.first_token_at}
    try:
        await in_database(Message.objects.filter(pk=draft.message.pk).update, **fields)
    except DatabaseError as error:
        logger.error("Answer %s could not be saved: %s", draft.message.pk, error)
        return False
    return True


async def save_until_done(draft: Draft, ended: dict[str, Any]) -> bool:
    """Save the ended answer, trying for an hour: a full disk may be emptied. Its stream has the text too."""
    deadline, pause_s = time.monotonic() + SAVE_PATIENCE_S, 0.5
    while not await save(draft, **ended):
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(pause_s)
        pause_s = min(2 * pause_s, SAVE_AGAIN_S)
    return True
