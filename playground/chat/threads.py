"""Threads and their messages: what a person sends is saved before anything else happens."""

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from accounts.models import User
from playground.models import Message, MessageState, Role, Thread
from training.models import Checkpoint

TITLE_CHARACTERS = 60


class ThreadBusyError(Exception):
    """The thread's last answer is still being written."""


@dataclass(frozen=True)
class Prompt:
    """What a person sent: the text, the checkpoint that shall answer, how, and which files go with it."""

    text: str
    checkpoint: Checkpoint
    parameters: dict[str, Any] = field(default_factory=dict)
    attachments: tuple[UUID, ...] = ()


def create_thread(*, owner: User | None, session_key: str, prompt: Prompt) -> tuple[Thread, Message]:
    """A new thread with the prompt and an empty answer, to be written by chat.generation."""
    with transaction.atomic():
        thread = Thread.objects.create(owner=owner, session_key=session_key, title=title_of(prompt.text))
        return thread, add_turn(thread=thread, prompt=prompt)


def add_turn(*, thread: Thread, prompt: Prompt) -> Message:
    """Save the prompt and an empty answer at the end of the thread; returns the answer.

    Raises ThreadBusyError while the last answer is still being written: one at a time.
    """
    with transaction.atomic():
        Thread.objects.select_for_update().get(pk=thread.pk)
        last = thread.messages.order_by("-position").first()
        if last and last.state == MessageState.WRITING:
            raise ThreadBusyError("The last answer is still being written. Stop it, or wait for its end.")
        position = last.position + 1 if last else 0
        Message.objects.create(thread=thread, position=position, role=Role.USER, raw_text=prompt.text)
        Thread.objects.filter(pk=thread.pk).update(updated_at=timezone.now())
        return Message.objects.create(
            thread=thread,
            position=position + 1,
            role=Role.ASSISTANT,
            state=MessageState.WRITING,
            checkpoint=prompt.checkpoint,
            parameters=prompt.parameters,
        )


def reopen(message: Message, states: tuple[MessageState, ...]) -> bool:
    """Mark an ended answer as being written again, if it is in one of `states`: once, whoever asks."""
    changed = Message.objects.filter(pk=message.pk, state__in=states).update(
        state=MessageState.WRITING, error=""
    )
    return bool(changed)


def title_of(text: str) -> str:
    first = next((line.strip() for line in text.splitlines() if line.strip()), "New chat")
    return first if len(first) <= TITLE_CHARACTERS else first[: TITLE_CHARACTERS - 1].rstrip() + "…"
