"""What is done now and then."""

from celery import shared_task

from accounts.visitors import forgetting


@shared_task
def forget_visitors() -> None:
    """Delete what belongs to browsers that have not come back."""
    forgetting.forget_visitors()
