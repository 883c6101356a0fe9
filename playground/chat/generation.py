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
from typing import Any
from uuid import UUID

from django.utils import timezone
from redis.exceptions import RedisError

from accounts.limits.spender import Spender
from playground.cancellation import end
from playground.chat.answer_stream import AnswerStream
from playground.chat.drafts import Draft, Superseded, save, take
from playground.chat.history import conversation, template_options
from playground.chat.live_spans import LiveSpans
from playground.chat.outbox import Outbox
from playground.chat.settling import traced
from playground.completions import (
    Finished,
    GenerationError,
    Piece,
    Waiting,
    stream_completion,
)
from playground.database import in_database
from playground.metering import Meter, metered
from playground.models import Message, MessageState
from playground.tools.offering import sampling_of
from playground.tools.running import follow_answer
from training.access import checkpoints_for

logger = logging.getLogger(__name__)
SAVE_PATIENCE_S = 3600.0
SAVE_AGAIN_S = 15.0
BEGIN_PATIENCE_S = 20.0
BEGIN_AGAIN_S = 0.5
NO_REDIS = "Redis, which carries the answers to the pages, does not answer. Try again in a moment."
_running: set[asyncio.Task[None]] = set()


def start_writing(message_id: UUID) -> None:
    """Begin to write an answer in the background of this process's event loop.

    An empty context, because a request's context holds a database thread that ends with the request.
    """
    task = asyncio.create_task(write_answer(message_id), context=contextvars.Context())
    _running.add(task)
    task.add_done_callback(_running.discard)


async def write_answer(message_id: UUID) -> None:
    """Write one answer to its end. Only one process at a time does it; a second caller changes nothing."""
    deadline = time.monotonic() + BEGIN_PATIENCE_S
    while time.monotonic() < deadline:
        try:
            if await write_alone(message_id) or not await is_unclaimed(message_id):
                return
        except RedisError as error:
            logger.error("Answer %s waits for Redis: %s", message_id, error)
        await asyncio.sleep(BEGIN_AGAIN_S)
    unwritten = Message.objects.filter(pk=message_id, state=MessageState.WRITING, writer=None)
    await in_database(unwritten.update, state=MessageState.FAILED, error=NO_REDIS)


async def is_unclaimed(message_id: UUID) -> bool:
    """Whether an answer is to be written that nobody writes: its last writer is only just leaving it."""
    unwritten = Message.objects.filter(pk=message_id, state=MessageState.WRITING, writer=None)
    return await in_database(unwritten.exists)


async def write_alone(message_id: UUID) -> bool:
    """Write an answer that nobody else writes; says whether that was so."""
    stream = AnswerStream(message_id)
    async with stream.writing() as mine:
        if not mine:
            return False
        if draft := await take(message_id):
            try:
                state, error = await ending_of(draft, stream)
                await finish(draft, stream, state, error)
            except Superseded as gone:
                logger.warning("Writing ended: %s", gone)
        return True


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
    except Superseded:
        raise
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
    outbox = Outbox(draft, stream, await LiveSpans.open(draft))
    answer = stream_completion(
        message.checkpoint,
        messages,
        await in_database(sampling_of, message),
        continue_token_ids=draft.token_ids or None,
        template_options=await in_database(template_options, message),
    )
    meter = Meter(
        Spender(user_id=message.thread.owner_id, session_key=message.thread.session_key),
        message.checkpoint.name,
    )
    async with aclosing(metered(answer, meter)) as events, outbox.sending():
        async for event in events:
            match event:
                case Waiting(reason=reason):
                    await outbox.tell({"type": "waiting", "reason": reason})
                case Piece():
                    outbox.add(event)
                case Finished(finish_reason=reason):
                    draft.finish_reason = reason


async def finish(draft: Draft, stream: AnswerStream, state: MessageState, error: str) -> None:
    """Trace the whole answer, save it, and tell the readers that it ended."""
    trace = await in_database(traced, draft, draft.prompt)
    ended = {
        "state": state,
        "error": error,
        "finish_reason": draft.finish_reason if state == MessageState.COMPLETE else state.value,
        "trace": trace,
        "finished_at": timezone.now(),
        "writer": None,
    }
    if await save_until_done(draft, ended):
        await stream.expire()
        if draft.message.parameters.get("tools"):
            await follow_answer(draft.message.pk)
    await stream.append({"type": "end"})


async def save_until_done(draft: Draft, ended: dict[str, Any]) -> bool:
    """Save the ended answer, trying for an hour: a full disk may be emptied. Its stream has the text too."""
    deadline, pause_s = time.monotonic() + SAVE_PATIENCE_S, 0.5
    while not await save(draft, **ended):
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(pause_s)
        pause_s = min(2 * pause_s, SAVE_AGAIN_S)
    return True
