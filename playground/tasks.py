"""What is done now and then."""

import asyncio
import logging

from celery import shared_task

from playground.attachments.services import remove_unsent
from playground.chat.answer_stream import redis_client
from playground.chat.settling import settle_abandoned

logger = logging.getLogger(__name__)


@shared_task(name="playground.tasks.forget_unsent_files")
def forget_unsent_files() -> None:
    """Delete attached files that were never sent."""
    remove_unsent()


@shared_task(name="playground.tasks.settle_answers")
def settle_answers() -> None:
    """Mark answers whose writer died as interrupted, so that they can be gone on with though nobody looks."""
    asyncio.run(settle_and_close())


async def settle_and_close() -> None:
    try:
        if settled := await settle_abandoned():
            logger.info("%s answers were without a writer", settled)
    finally:
        await redis_client().aclose()
