"""What people say of answers, and whether their chats may be learned from."""

from django.db import transaction
from django.utils import timezone

from accounts.audit import Actor
from playground.models import Message, MessageState, Thread
from playground.ratings.models import Consent, Opinion, RatedRow, Rating
from playground.ratings.withdrawal import hide_rows
from tracing.core.errors import InputError

COMMENT_CHARACTERS_MAX = 2000
CONSENT_WORDING = (
    "This chat may become training data: what I wrote, the answers and my ratings, without my name. Whoever "
    "traces a model that learned from it can read it. I can take this back at any time: then nothing new is "
    "made of it, and it is hidden from traces."
)


def rate(*, message: Message, opinion: Opinion, comment: str | None = None) -> Rating:
    """Keep what the owner of a chat thinks of an answer; without a comment, the one that was there stays.

    A flag that changes is to be reviewed again. Raises InputError for what cannot be rated.
    """
    if message.state == MessageState.WRITING:
        raise InputError("The answer is still being written: wait for its end, then rate it.")
    if comment is not None and len(comment) > COMMENT_CHARACTERS_MAX:
        raise InputError(
            f"The comment has {len(comment):,} characters: {COMMENT_CHARACTERS_MAX:,} at most. Shorten it."
        )
    fields = {"opinion": opinion, "reviewed_at": None} | ({} if comment is None else {"comment": comment})
    return Rating.objects.update_or_create(message=message, defaults=fields)[0]


def unrate(*, message: Message, by: Actor) -> None:
    """Take a rating back, its comment too; with the last one of a chat, its consent."""
    with transaction.atomic():
        Rating.objects.filter(message=message).delete()
        if not Rating.objects.filter(message__thread=message.thread_id).exists():
            withdraw_consent(thread=message.thread, by=by)


def living_consent(thread: Thread) -> Consent | None:
    return Consent.objects.filter(thread=thread, withdrawn_at=None).first()


def give_consent(*, thread: Thread) -> Consent:
    """Record that a chat may be learned from, in the words that its owner read. Twice is as once.

    Raises InputError for a temporary chat, which is not kept.
    """
    if thread.temporary:
        raise InputError("A temporary chat is not kept, so nothing can learn from it.")
    with transaction.atomic():
        Thread.objects.select_for_update().get(pk=thread.pk)
        return living_consent(thread) or Consent.objects.create(thread=thread, wording=CONSENT_WORDING)


def withdraw_consent(*, thread: Thread, by: Actor) -> None:
    """From now on nothing new is made of a chat, and rows that were made of it are hidden from traces."""
    with transaction.atomic():
        now = timezone.now()
        Consent.objects.filter(thread=thread, withdrawn_at=None).update(withdrawn_at=now)
        rows = RatedRow.objects.filter(thread=thread, withdrawn_at=None)
        hide_rows(list(rows), by=by)
        rows.update(withdrawn_at=now)
