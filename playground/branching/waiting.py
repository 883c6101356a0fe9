"""One answer of a thread at a time; an answer whose writer died does not stand in the way for ever."""

import asyncio
from collections.abc import Callable
from uuid import UUID

from asgiref.sync import sync_to_async
from django.http import HttpRequest, HttpResponse

from playground.chat.answer_stream import AnswerStream
from playground.chat.settling import settle
from playground.chat.threads import ThreadBusyError

CLAIMED_WITHIN_S = 1.0
"""A writer claims its answer well within this time after the answer is saved."""

Begun = tuple[HttpResponse, UUID | None]
Save = Callable[[HttpRequest, UUID | None], Begun]


async def save_when_free(save: Save, request: HttpRequest, pk: UUID | None) -> Begun:
    """What `save` gives; once more where the answer that stood in the way has no writer any more.

    Raises ThreadBusyError where it has one.
    """
    saving = sync_to_async(save)
    try:
        return await saving(request, pk)
    except ThreadBusyError as error:
        if not await is_left(error.answer.pk):
            raise
        await settle(error.answer.pk)
        return await saving(request, pk)


async def is_left(answer_id: UUID) -> bool:
    """Whether nobody writes an answer that is marked as being written."""
    stream = AnswerStream(answer_id)
    if await stream.has_writer():
        return False
    await asyncio.sleep(CLAIMED_WITHIN_S)
    return not await stream.has_writer()
