"""What is done now and then."""

from celery import shared_task

from playground.attachments.services import remove_unsent


@shared_task(name="playground.tasks.forget_unsent_files")
def forget_unsent_files() -> None:
    """Delete attached files that were never sent."""
    remove_unsent()
