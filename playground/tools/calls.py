"""What is done with the calls in a chat: noted, approved or refused, answered, and the chat goes on."""

from datetime import timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from accounts.limits.services import LimitsUnavailable, OverLimit, Spender, admit_later
from playground.chat.threads import Prompt, ThreadBusyError, add_answer, one_at_a_time
from playground.core.think_split import split_thinking
from playground.core.tools import ToolCall
from playground.core.tools.functions import KEPT_RESULT_CHARACTERS, MAX_RESULT_CHARACTERS
from playground.core.tools.offer import Offer
from playground.core.tools.servers import CALL_TIMEOUT_S
from playground.models import Message, MessageState, Role
from playground.tools.models import SETTLED, CallRecord, CallState, ToolServer
from playground.tools.offering import functions_of
from playground.tools.turns import calls_in
from tracing.core.errors import InputError

MOST_A_TURN = 10
TOO_MANY = f"Not made: at most {MOST_A_TURN} calls are made before an answer."
NOT_ALLOWED = "The person did not allow this call."
LOST_AFTER = timedelta(seconds=CALL_TIMEOUT_S + 30)


@transaction.atomic
def note_calls(answer: Message) -> list[CallRecord]:
    """Keep the calls of a finished answer, once; those that need no approval are marked to be run."""
    offer = Offer.from_dict(answer.parameters.get("tools", {}))
    if not offer or answer.state != MessageState.COMPLETE or answer.calls.exists():
        return []
    calls = calls_in(split_thinking(answer.raw_text).answer_text)
    made = calls_before(answer)
    records = [
        record_of(answer, offer, call, number, allowed=made + number < MOST_A_TURN)
        for number, call in enumerate(calls)
    ]
    return CallRecord.objects.bulk_create(records)


def record_of(answer: Message, offer: Offer, call: ToolCall, number: int, *, allowed: bool) -> CallRecord:
    record = CallRecord(message=answer, number=number, function=call.name[:200], arguments=call.arguments)
    prefix, _, name = call.name.partition(".")
    known = {function.name for function in functions_of(offer)}
    if not allowed:
        return settled(record, CallState.REFUSED, TOO_MANY)
    if call.name not in known:
        offered = ", ".join(sorted(known))
        return settled(record, CallState.FAILED, f"There is no function {call.name!r:.80}: only {offered}.")
    own = {function.name for function in offer.functions}
    if name and call.name not in own and prefix in offer.servers:
        record.server = ToolServer.objects.get(name=prefix)
        if record.server.trusted or approved_before(record):
            record.state = CallState.RUNNING
    return record


def settled(record: CallRecord, state: CallState, result: str) -> CallRecord:
    record.state, record.result, record.settled_at = state, result[:MAX_RESULT_CHARACTERS], timezone.now()
    return record


def approved_before(record: CallRecord) -> bool:
    """Whether the person approved this function for the rest of this chat."""
    same = CallRecord.objects.filter(message__thread=record.message.thread_id, lasting=True)
    return same.filter(function=record.function, server=record.server).exists()


def calls_before(answer: Message) -> int:
    """How many calls were made since the prompt."""
    made, before = 0, answer.parent
    while before is not None and before.role == Role.ASSISTANT:
        made += before.calls.count()
        before = before.parent
    return made


def approve(record: CallRecord, *, lasting: bool) -> bool:
    """Mark a server's call to be run: once, whoever asks."""
    waiting = CallRecord.objects.filter(pk=record.pk, state=CallState.WAITING).exclude(server=None)
    fields: dict[str, Any] = {"state": CallState.RUNNING, "lasting": lasting, "created_at": timezone.now()}
    return bool(waiting.update(**fields))


def refuse(record: CallRecord) -> bool:
    return settle(record, CallState.REFUSED, NOT_ALLOWED, before=CallState.WAITING)


def answer_by_hand(record: CallRecord, result: str) -> bool:
    """The result of a function that the person declared, as they write it."""
    if record.server_id is not None:
        raise InputError(f"{record.function} is a server's: approve it or refuse it.")
    if len(result) > MAX_RESULT_CHARACTERS:
        raise InputError(f"The result has {len(result):,} characters; at most {MAX_RESULT_CHARACTERS:,} fit.")
    return settle(record, CallState.DONE, result, before=CallState.WAITING)


def settle(record: CallRecord, state: CallState, result: str, *, before: CallState) -> bool:
    found = CallRecord.objects.filter(pk=record.pk, state=before)
    fields = {"state": state, "result": result[:KEPT_RESULT_CHARACTERS], "settled_at": timezone.now()}
    return bool(found.update(**fields))


def settle_lost(answer: Message) -> None:
    """Calls that were running when their process was stopped have failed."""
    lost = answer.calls.filter(state=CallState.RUNNING, created_at__lt=timezone.now() - LOST_AFTER)
    lost.update(state=CallState.FAILED, result="Headwater was stopped meanwhile.", settled_at=timezone.now())


def next_answer(answer: Message) -> Message | None:
    """The answer that goes on from the results of this one's calls."""
    following = answer.replies.filter(role=Role.ASSISTANT).select_related("checkpoint", "thread", "parent")
    return following.order_by("created_at").first()


def go_on(answer: Message) -> Message | None:
    """Begin the answer that follows, once all calls are settled; None where there is none to begin.

    After too many calls the chat stops until the person says more; so does one that was read from a file.
    """
    try:
        with one_at_a_time(answer.thread):
            records = list(answer.calls.all())
            over = any(record.result == TOO_MANY for record in records)
            ended = all(record.state in SETTLED for record in records)
            if not records or not ended or over or next_answer(answer):
                return None
            if answer.imported or answer.checkpoint is None:
                return None
            return admitted_answer(answer, Prompt("", answer.checkpoint, answer.parameters))
    except ThreadBusyError:
        return None


def admitted_answer(before: Message, prompt: Prompt) -> Message | None:
    """The answer that follows, counted against the limits of whoever's chat it is, as any other.

    Where it is not admitted it says why, and can be tried again later.
    """
    thread, refused = before.thread, ""
    try:
        admit_later(Spender(user_id=thread.owner_id, session_key=thread.session_key), "chat")
    except (OverLimit, LimitsUnavailable) as error:
        refused = str(error)
    answer = add_answer(question=before, prompt=prompt)
    if not refused:
        return answer
    Message.objects.filter(pk=answer.pk).update(state=MessageState.FAILED, error=refused)
    return None
