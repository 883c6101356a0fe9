"""What is done for histories now and then."""

from celery import shared_task

from playground.history.services import purge_threads


@shared_task(name="playground.history.tasks.purge_chats")
def purge_chats() -> None:
    """Delete for good what was deleted long ago, and temporary chats whose time is over."""
    purge_threads()
