"""What is done with chats in a history. What is deleted can be had back until it is purged."""

import logging
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from playground.models import Message, MessageState, Seat, Thread, ThreadQuerySet
from tracing.core.errors import InputError

logger = logging.getLogger(__name__)
TITLE_CHARACTERS_MAX = 200


def rename_thread(*, thread: Thread, title: str) -> None:
    """Raises InputError for a title that is empty or too long."""
    title = " ".join(title.replace("\0", " ").split())
    if not title:
        raise InputError("A chat needs a name: write one.")
    if len(title) > TITLE_CHARACTERS_MAX:
        raise InputError(f"The name has {len(title):,} characters; at most {TITLE_CHARACTERS_MAX} fit.")
    thread.title = title
    thread.save(update_fields=["title"])


def delete_thread(*, thread: Thread) -> list[Message]:
    """From now on nobody sees it; `restore_thread` gives it back. Returns its answers still being written, to
    be stopped."""
    threads, thread.deleted_at = with_those_beside(thread), timezone.now()
    threads.update(deleted_at=thread.deleted_at)
    return list(Message.objects.filter(thread__in=threads, state=MessageState.WRITING))


def restore_thread(*, thread: Thread) -> None:
    thread.deleted_at = None
    with_those_beside(thread).update(deleted_at=None)


def purge_thread(*, thread: Thread) -> None:
    """Delete for good what was deleted before."""
    with_those_beside(thread).delete()


def with_those_beside(thread: Thread) -> ThreadQuerySet:
    """The thread, with those that stand beside it in a comparison: they come and go together."""
    seat = Seat.objects.filter(thread=thread).first()
    found = (
        Thread.objects.filter(seat__lineup=seat.lineup_id) if seat else Thread.objects.filter(pk=thread.pk)
    )
    return Thread.objects.filter(pk__in=list(found.values_list("pk", flat=True)))


def keep_thread(*, thread: Thread) -> None:
    """A temporary chat goes to the history, to stay."""
    thread.temporary = False
    thread.save(update_fields=["temporary"])


@transaction.atomic
def purge_threads() -> int:
    """Delete for good what was deleted long enough ago, and temporary chats whose time is over.

    Returns how many. A chat whose answer is being written waits for the next time.
    """
    now = timezone.now()
    deleted = Thread.objects.filter(deleted_at__lt=now - timedelta(days=settings.DELETED_CHAT_DAYS))
    over = Thread.objects.filter(
        temporary=True, updated_at__lt=now - timedelta(hours=settings.TEMPORARY_CHAT_HOURS)
    )
    purged = 0
    for threads in (deleted, over):
        idle = threads.exclude(messages__state=MessageState.WRITING)
        purged += idle.delete()[1].get("playground.Thread", 0)
    if purged:
        logger.info("%d chats were deleted for good.", purged)
    return purged
