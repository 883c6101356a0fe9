"""What is done with chats in a history. What is deleted can be had back until it is purged."""

import logging
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from playground.models import Message, MessageState, Thread
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
    thread.deleted_at = timezone.now()
    thread.save(update_fields=["deleted_at"])
    return list(thread.messages.filter(state=MessageState.WRITING))


def restore_thread(*, thread: Thread) -> None:
    thread.deleted_at = None
    thread.save(update_fields=["deleted_at"])


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
