"""Running the calls of an answer in the background of the web process, and going on from their results."""

import asyncio
import contextvars
import logging
from uuid import UUID

from accounts.sealing import UnsealError
from playground.core.tools.servers import ToolServerError, call_function
from playground.database import in_database
from playground.models import Message
from playground.tools.calls import go_on, note_calls, settle
from playground.tools.models import CallRecord, CallState

logger = logging.getLogger(__name__)
_running: set[asyncio.Task[None]] = set()


async def follow_answer(message_id: UUID) -> None:
    """Keep the calls of an answer that has just been finished, and run those that need no approval."""
    try:
        records = await in_database(lambda: note_calls(found(message_id)))
    except Exception:
        logger.exception("The calls of answer %s could not be kept", message_id)
        return
    if records and not any(record.state == CallState.WAITING for record in records):
        start_running(message_id)


def start_running(message_id: UUID) -> None:
    """An empty context, as for answers: a request's context ends with it."""
    task = asyncio.create_task(run_calls(message_id), context=contextvars.Context())
    _running.add(task)
    task.add_done_callback(_running.discard)


async def run_calls(message_id: UUID) -> None:
    """Run the calls that may run, all at once, then go on with the chat if none waits."""
    running = CallRecord.objects.filter(message=message_id, state=CallState.RUNNING, settled_at=None)
    records = await in_database(lambda: list(running.select_related("server")))
    await asyncio.gather(*map(run, records))
    await go_on_from(message_id)


async def run(record: CallRecord) -> None:
    """Run one call; however it ends, there is a result."""
    state, result = CallState.FAILED, "Its server is gone."
    try:
        if record.server is not None and record.server.enabled:
            name = record.function.partition(".")[2]
            server = record.server
            outcome = await call_function(
                server.address, name, record.arguments, authorization=server.authorization
            )
            state, result = CallState.FAILED if outcome.failed else CallState.DONE, outcome.text
    except (ToolServerError, UnsealError) as error:
        result = str(error)
    except Exception:
        logger.exception("Call %s failed", record.pk)
        result = "Something broke in Headwater; its log has the details."
    await in_database(lambda: settle(record, state, result, before=CallState.RUNNING))


async def go_on_from(message_id: UUID) -> None:
    from playground.chat.generation import start_writing  # it follows answers to their calls: a circle

    if following := await in_database(lambda: go_on(found(message_id))):
        start_writing(following.pk)


def found(message_id: UUID) -> Message:
    return Message.objects.select_related("thread", "checkpoint", "parent").get(pk=message_id)
