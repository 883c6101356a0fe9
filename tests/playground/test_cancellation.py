"""A task that is to end does end, even if it loses a cancellation on its way."""

import asyncio

import redis

from playground.cancellation import end
from playground.chat.answer_stream import redis_client


async def test_a_task_that_lost_a_cancellation_is_cancelled_again() -> None:
    lost: list[bool] = []

    async def stubborn() -> None:
        while True:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                if lost:
                    raise
                lost.append(True)

    task = asyncio.create_task(stubborn())
    await asyncio.sleep(0)
    await end(task)
    assert task.cancelled()
    assert lost


async def test_a_task_that_failed_keeps_its_exception() -> None:
    async def failing() -> None:
        raise ValueError("broken")

    task = asyncio.create_task(failing())
    await end(task)
    assert task.done()
    assert task.cancelled() or isinstance(task.exception(), ValueError)


async def test_tasks_that_ask_redis_all_the_time_end(redis_server: redis.Redis) -> None:
    """Its client loses about every second cancellation here."""

    async def poll() -> None:
        client = redis_client()
        while True:
            await client.exists("nothing")

    for turns in range(8):
        task = asyncio.create_task(poll())
        for _ in range(turns):
            await asyncio.sleep(0)
        await end(task)
        assert task.done()
