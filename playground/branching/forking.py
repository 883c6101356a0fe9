"""A new thread that begins as another one does."""

from uuid import uuid4

from django.db import transaction

from playground.chat.branches import path_to
from playground.models import Message, MessageState, Thread
from playground.tools.keeping import copy_calls
from tracing.core.errors import InputError


@transaction.atomic
def fork_thread(*, message: Message) -> Thread:
    """A thread of the same owner with copies of all messages up to this one: traces, files and calls too.

    Raises InputError while the message is still being written.
    """
    if message.state == MessageState.WRITING:
        raise InputError("This answer is still being written. Stop it, or wait for its end; then fork.")
    origin = message.thread
    thread = Thread.objects.create(
        owner=origin.owner,
        session_key=origin.session_key,
        title=origin.title,
        temporary=origin.temporary,
        forked_from=message,
    )
    copied = None
    for original in path_to(message):
        copied = copy_of(original, thread, copied)
    thread.leaf = copied
    thread.save(update_fields=["leaf"])
    return thread


def copy_of(original: Message, thread: Thread, parent: Message | None) -> Message:
    fields = {
        field.attname: getattr(original, field.attname)
        for field in Message._meta.concrete_fields
        if field.name not in {"id", "thread", "parent", "created_at", "writer"}
    }
    copy = Message.objects.create(pk=uuid4(), thread=thread, parent=parent, **fields)
    copy.attachments.set(original.attachments.all())
    copy_calls(original, copy)
    return copy
