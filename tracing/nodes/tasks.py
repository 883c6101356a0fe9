"""The one Celery task of an index node. Apart from the site's own tasks, which need a database."""

from celery import shared_task

from tracing.nodes import serving


@shared_task(name="tracing.nodes.tasks.answer_question")
def answer_question(key: str, text: str) -> None:
    serving.answer_question(key, text)
