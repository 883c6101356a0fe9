"""Many answers at once over the few connections to Redis that a process opens."""

import asyncio
from uuid import uuid4

import pytest
import redis

from playground.chat.answer_stream import CONNECTIONS, AnswerStream, redis_client

AT_ONCE = 500


async def test_five_hundred_answers_at_once_wait_for_a_connection(redis_server: redis.Redis) -> None:
    others = connections_to(redis_server)
    streams = [AnswerStream(uuid4()) for _ in range(AT_ONCE)]
    await asyncio.gather(*(write_and_read(stream) for stream in streams))
    assert len(redis_client().connection_pool._in_use_connections) == 0
    assert connections_to(redis_server) - others <= CONNECTIONS
    redis_server.delete(*(stream.events for stream in streams))
    await redis_client().aclose()


def connections_to(server: redis.Redis) -> int:
    return int(server.info("clients")["connected_clients"])


async def write_and_read(stream: AnswerStream) -> None:
    async with stream.writing() as mine:
        assert mine
        assert await stream.append({"type": "piece", "text": stream.name, "ids": [1]})
        [(_, event)] = await stream.read()
        assert event["text"] == stream.name


@pytest.mark.parametrize("position", ["", "x", "0", "99999999999999999-1", "1-1\0"])
async def test_a_place_that_no_stream_gave_is_none(redis_server: redis.Redis, position: str) -> None:
    assert await AnswerStream(uuid4()).read_until(position) == []
    await redis_client().aclose()
