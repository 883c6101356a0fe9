"""Threads and their messages: what a person sends is saved before anything else happens."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID, uuid4

from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.models import User
from accounts.owners import Owner
from playground.attachments.services import attach
from playground.chat.branches import end_of
from playground.models import Message, MessageState, Role, Thread
from tracing.core.errors import InputError
from training.models import Checkpoint

TITLE_CHARACTERS = 60


class ThreadBusyError(Exception):
    """An answer of the thread, `answer`, is still being written."""

    def __init__(self, answer: Message) -> None:
        super().__init__("An answer of this chat is still being written. Stop it, or wait for its end.")
        self.answer = answer


@dataclass(frozen=True)
class Prompt:
    """What a person sent: the text, the checkpoint that shall answer, how, and which files go with it."""

    text: str
    checkpoint: Checkpoint
    parameters: dict[str, Any] = field(default_factory=dict)
    attachments: tuple[UUID, ...] = ()


def create_thread(
    *,
    owner: User | None,
    session_key: str,
    prompt: Prompt,
    temporary: bool = False,
    question_id: UUID | None = None,
) -> tuple[Thread, Message]:
    """A new thread with the prompt and an empty answer, to be written by chat.generation."""
    with transaction.atomic():
        thread = Thread.objects.create(
            owner=owner, session_key=session_key, title=title_of(prompt.text), temporary=temporary
        )
        return thread, add_turn(thread=thread, prompt=prompt, question_id=question_id)


def add_turn(
    *, thread: Thread, prompt: Prompt, after: Message | None = None, question_id: UUID | None = None
) -> Message:
    """Save the prompt and an empty answer behind a message, else at the shown end; returns the answer.

    `question_id` becomes the prompt's own, so that one that is sent twice can be told. Raises
    ThreadBusyError while an answer of the thread is still being written: one at a time; InputError where a
    file that shall go with it is gone.
    """
    with one_at_a_time(thread):
        before = after or end_of(thread)
        question = add_question(thread=thread, after=before, prompt=prompt, pk=question_id)
        return add_answer(question=question, prompt=prompt)


def edit_prompt(*, message: Message, prompt: Prompt) -> Message:
    """Save another prompt beside this one, with an empty answer; what was there stays, its files go along.

    Raises ThreadBusyError as add_turn does.
    """
    files = message.attachments.values_list("pk", flat=True)
    prompt = replace(prompt, attachments=tuple(dict.fromkeys([*files, *prompt.attachments])))
    with one_at_a_time(message.thread):
        question = add_question(thread=message.thread, after=message.parent, prompt=prompt)
        return add_answer(question=question, prompt=prompt)


def answer_again(*, answer: Message, prompt: Prompt) -> Message:
    """An empty answer beside this one, to the same question, by `prompt`'s model. Errors as add_turn."""
    if answer.parent is None:
        raise InputError(
            "This answer stands at the beginning of its chat: there is no question to ask again."
        )
    with one_at_a_time(answer.thread):
        return add_answer(question=answer.parent, prompt=prompt)


@contextmanager
def one_at_a_time(thread: Thread) -> Iterator[None]:
    """A transaction that alone adds to a thread of which no answer is being written."""
    with transaction.atomic():
        Thread.objects.select_for_update().get(pk=thread.pk)
        if writing := thread.messages.filter(state=MessageState.WRITING).first():
            raise ThreadBusyError(writing)
        yield


def add_question(*, thread: Thread, after: Message | None, prompt: Prompt, pk: UUID | None = None) -> Message:
    question = Message.objects.create(
        pk=pk or uuid4(),
        thread=thread,
        parent=after,
        position=after.position + 1 if after else 0,
        role=Role.USER,
        raw_text=prompt.text,
    )
    if prompt.attachments:
        attach(message=question, ids=prompt.attachments, owner=Owner(thread.owner, thread.session_key))
    return question


def add_answer(*, question: Message, prompt: Prompt) -> Message:
    """An empty answer to a question, as the new end of the thread's shown path."""
    answer = Message.objects.create(
        thread=question.thread,
        parent=question,
        position=question.position + 1,
        role=Role.ASSISTANT,
        state=MessageState.WRITING,
        checkpoint=prompt.checkpoint,
        parameters=prompt.parameters,
    )
    Thread.objects.filter(pk=question.thread_id).update(leaf=answer, updated_at=timezone.now())
    return answer


def reopen(message: Message, states: tuple[MessageState, ...]) -> bool:
    """Mark an ended answer as being written again, if it is in one of `states` and no other of its thread is:
    once, whoever asks."""
    try:
        with transaction.atomic():
            ended = Message.objects.filter(pk=message.pk, state__in=states)
            return bool(ended.update(state=MessageState.WRITING, error=""))
    except IntegrityError:  # another answer of the thread is being written: one_answer_written_a_thread
        return False


def title_of(text: str) -> str:
    first = next((line.strip() for line in text.splitlines() if line.strip()), "New chat")
    return first if len(first) <= TITLE_CHARACTERS else first[: TITLE_CHARACTERS - 1].rstrip() + "…"
