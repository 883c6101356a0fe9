"""Calls that go along with a chat: into a fork, a file, a link, a program's list of messages."""

from collections.abc import Sequence
from typing import Any

from django.db.models import prefetch_related_objects
from django.utils import timezone

from playground.core.chat_files.chat import FileCall
from playground.models import Message
from playground.tools.models import SETTLED, CallRecord, CallState

NOT_BROUGHT = "Not made: it still waited when this chat was written to a file."


def load_calls(messages: Sequence[Message]) -> None:
    """Read the calls of all these messages with one query; with none, where nothing was offered."""
    offered = [message for message in messages if message.parameters.get("tools")]
    prefetch_related_objects(offered, "calls")


def calls_told(message: Message) -> list[FileCall]:
    """What was called and what came of it, in order. One that runs is told as one that waits."""
    if not message.parameters.get("tools"):
        return []
    return [
        FileCall(
            function=record.function,
            arguments=record.arguments,
            state=record.state if record.state in SETTLED else CallState.WAITING,
            result=record.result,
        )
        for record in message.calls.all()
    ]


def copy_calls(original: Message, copy: Message) -> None:
    """The calls of a message, for its copy in another chat.

    One that runs now waits there, so that it runs once; what was approved was approved for the first chat.
    """
    copies = list(original.calls.all())
    for record in copies:
        record.pk, record.message, record.lasting = None, copy, False
        if record.state == CallState.RUNNING:
            record.state = CallState.WAITING
    CallRecord.objects.bulk_create(copies)


def bring_calls(message: Message, told: Sequence[FileCall]) -> None:
    """The calls of a message that was read from a file; none of them is made any more."""
    if message.parameters.get("tools"):
        CallRecord.objects.bulk_create(
            CallRecord(message=message, number=number, function=call.function, **ending_of(call))
            for number, call in enumerate(told)
        )


def ending_of(call: FileCall) -> dict[str, Any]:
    ended = {"arguments": call.arguments, "settled_at": timezone.now()}
    if call.state == CallState.WAITING:
        return {**ended, "state": CallState.REFUSED, "result": NOT_BROUGHT}
    return {**ended, "state": call.state, "result": call.result}
