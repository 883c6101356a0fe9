"""An answer as its writer holds it, and how it is saved: by the writer that has the message, and no other."""

import logging
import time
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

from django.db import DatabaseError
from django.utils import timezone

from playground.completions import Piece
from playground.core.think_split import ThinkSplitter
from playground.database import in_database
from playground.models import Message, MessageState

logger = logging.getLogger(__name__)


class Superseded(Exception):
    """The message is somebody else's to write by now, or has been deleted: nothing more may be saved."""


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
    writer: UUID = field(default_factory=uuid4)

    def __post_init__(self) -> None:
        self._splitter = ThinkSplitter()
        self._splitter.push(self.raw_text)

    @classmethod
    def of(cls, message: Message) -> "Draft":
        """To go on with what a message holds."""
        draft = cls(message, raw_text=message.raw_text, token_ids=list(message.token_ids))
        draft.thinking_s, draft.first_token_at = message.thinking_s, message.first_token_at
        return draft

    def add(self, piece: Piece) -> None:
        self.first_token_at = self.first_token_at or timezone.now()
        self.raw_text += piece.text
        self.token_ids.extend(piece.token_ids)
        self._splitter.push(piece.text)

    def note_end_of_thinking(self) -> float | None:
        """Seconds of thinking, once, when its end has just been written."""
        if self.thinking_s is not None or not self._splitter.split.thinking_closed:
            return None
        self.thinking_s = round(time.monotonic() - self.started, 2)
        return self.thinking_s


async def take(message_id: UUID) -> Draft | None:
    """Make a message that is to be written this writer's own. None where it is not to be written."""
    messages = Message.objects.select_related("checkpoint", "thread", "thread__owner")
    message = await in_database(messages.filter(pk=message_id, state=MessageState.WRITING).first)
    if message is None:
        return None
    draft = Draft.of(message)
    own = Message.objects.filter(pk=message_id, state=MessageState.WRITING)
    return draft if await in_database(own.update, writer=draft.writer) else None


async def save(draft: Draft, **fields: Any) -> bool:
    """Save what is written so far. A database that refuses (a full disk) is logged and tried again later.

    Raises Superseded where another writer has taken the message, or somebody has deleted it.
    """
    fields |= {"raw_text": draft.raw_text, "token_ids": draft.token_ids}
    fields |= {"thinking_s": draft.thinking_s, "first_token_at": draft.first_token_at}
    own = Message.objects.filter(pk=draft.message.pk, writer=draft.writer)
    try:
        saved = await in_database(own.update, **fields)
    except DatabaseError as error:
        logger.error("Answer %s could not be saved: %s", draft.message.pk, error)
        return False
    if not saved:
        raise Superseded(f"{draft.message.pk} has another writer, or is gone")
    return True
