"""Links to chats: made, found and revoked."""

import hashlib
import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from accounts.owners import Owner
from playground.chat.branches import path_of
from playground.models import Lineup, Message, MessageState, Role, Thread
from playground.sharing.models import SharedThread, SharedThreadQuerySet, SharedTurn
from playground.tools.keeping import calls_told
from tracing.core.errors import InputError

LIVING_MAX = 500
"""Links of one owner that lead somewhere at a time."""
NOTES = {
    MessageState.STOPPED: "Stopped before its end.",
    MessageState.INTERRUPTED: "Interrupted before its end.",
    MessageState.FAILED: "No answer came.",
}


def share_thread(*, owner: Owner, thread: Thread, expires_in: timedelta | None = None) -> SharedThread:
    """The living link to a chat as it is now; made where there is none, or the chat has changed since.

    It expires `expires_in` from now, or never. Raises InputError for what cannot be shared.
    """
    expires_at = timezone.now() + expires_in if expires_in is not None else None
    with transaction.atomic():
        turns, digest = shareable_turns(owner, thread)
        alone = SharedThread.objects.of(owner).living().filter(side=None)
        shared = alone.filter(thread=thread, digest=digest).first()
        if shared is None:
            return add_shared(owner, thread, turns, digest=digest, expires_at=expires_at)
        shared.expires_at = expires_at
        shared.save(update_fields=["expires_at"])
        return shared


def shareable_turns(owner: Owner, thread: Thread) -> tuple[list[SharedTurn], str]:
    """What a link to a chat shows, and the digest of it. In a transaction, so that it is of one moment.

    Raises InputError for what cannot be shared.
    """
    locked = Thread.objects.select_for_update().get(pk=thread.pk)
    turns = turns_of(path_of(locked))
    check_shareable(owner, locked, turns)
    return turns, digest_of(turns)


def check_shareable(owner: Owner, thread: Thread, turns: Sequence[SharedTurn]) -> None:
    if thread.temporary:
        raise InputError("A temporary chat is not kept, so it cannot be shared.")
    if Lineup.objects.veiled().filter(seats__thread=thread).exists():
        raise InputError("Nobody may see yet which model this is: vote first, then share.")
    if not turns:
        raise InputError("There is nothing to share in this chat yet.")
    if thread.messages.filter(state=MessageState.WRITING).exists():
        raise InputError("An answer is still being written: wait for its end, then share.")
    if SharedThread.objects.of(owner).living().count() >= LIVING_MAX:
        raise InputError(f"You have {LIVING_MAX} links that lead somewhere: revoke some first, in My links.")


def add_shared(owner: Owner, thread: Thread, turns: Sequence[SharedTurn], **fields: Any) -> SharedThread:
    shared = SharedThread.objects.create(
        owner=owner.user, session_key=owner.session_key, thread=thread, title=thread.title, **fields
    )
    for turn in turns:
        turn.shared = shared
    SharedTurn.objects.bulk_create(turns, batch_size=100)
    return shared


def turns_of(path: Sequence[Message]) -> list[SharedTurn]:
    """A path as it is shown to others: each system prompt stands where it begins to hold."""
    turns, system = list[SharedTurn](), ""
    for message in path:
        told = message.parameters.get("system", "") if message.role == Role.ASSISTANT else system
        if told and told != system:
            question = turns.pop() if turns and turns[-1].role == Role.USER else None
            turns.append(SharedTurn(role="system", text=told, written_at=message.created_at))
            turns += [question] if question else []
        system = told
        turns.append(turn_of(message))
    for position, turn in enumerate(turns):
        turn.position = position
    return turns


def turn_of(message: Message) -> SharedTurn:
    trace = message.trace if message.trace and "spans" in message.trace else None
    return SharedTurn(
        role=message.role,
        text=message.raw_text,
        model=message.checkpoint.name if message.checkpoint else "",
        note=NOTES.get(MessageState(message.state), ""),
        files=files_of(message),
        calls=[call.model_dump() for call in calls_told(message)],
        thinking_s=message.thinking_s,
        trace=trace,
        written_at=message.created_at,
    )


def files_of(message: Message) -> list[dict[str, Any]]:
    """What went with a message, by names and sizes; the texts are not shared."""
    if message.role != Role.USER:
        return []
    return list(message.attachments.values("name", "characters", "pages"))


def digest_of(turns: Sequence[SharedTurn]) -> str:
    told = [
        [turn.role, turn.text, turn.model, turn.note, turn.files, (turn.trace or {}).get("id"), *turn.calls]
        for turn in turns
    ]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def revoke_shared(*, shared: SharedThread) -> None:
    """The link leads nowhere from now on, and what it showed is deleted."""
    with transaction.atomic():
        SharedThread.objects.filter(pk=shared.pk, revoked_at=None).update(revoked_at=timezone.now())
        SharedTurn.objects.filter(shared=shared).delete()


def shared_threads_of(owner: Owner) -> SharedThreadQuerySet:
    """The owner's own links to single chats, newest first, those that ended too."""
    return SharedThread.objects.of(owner).filter(side=None)


def find_shared(token: str) -> SharedThread | None:
    """The living link with this token."""
    return SharedThread.objects.living().filter(token=token).first()
