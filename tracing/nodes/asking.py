"""Asking nodes: a Celery message for each store's queue, and its answer in Redis, both of which expire."""

import time
import uuid
from collections.abc import Iterator, Sequence
from typing import Final

import redis
from celery import current_app
from kombu.exceptions import KombuError

from tracing.core.cancelling import stop_if_cancelled
from tracing.core.nodes import wire
from tracing.core.nodes.answers import OTHER_VERSION, Question, Reply
from tracing.nodes.announcing import connection

TASK: Final = "tracing.nodes.tasks.answer_question"
ANSWER_KEPT_S: Final = 60
LOOK_EVERY_S: Final = 0.25  # whether the trace was cancelled


def queue_of(store: str) -> str:
    """The Celery queue of the nodes that hold a store."""
    return f"index.{store}"


def ask_nodes(questions: Sequence[Question], deadline: float) -> list[Reply]:
    """The nodes' answers that come before `deadline` (time.monotonic()); a reason for each other one."""
    keys = [f"headwater:answer:{uuid.uuid4().hex}" for _ in questions]
    began = time.monotonic()
    try:
        for key, question in zip(keys, questions, strict=True):
            send(key, question, deadline - began)
        found = dict(collect(keys, deadline))
    except (redis.RedisError, KombuError, OSError) as error:
        return [
            Reply(None, f"Redis does not answer ({type(error).__name__}), so its node cannot be asked.")
        ] * len(keys)
    late = Reply(None, f"its node did not answer within {deadline - began:.1f} s.")
    return [read(found[key]) if key in found else late for key in keys]


def send(key: str, question: Question, left_s: float) -> None:
    """Put the question to whoever takes the store's queue; dropped unread once `left_s` is over."""
    current_app.send_task(
        TASK,
        args=[key, wire.encode(question._asdict())],
        queue=queue_of(question.store),
        expires=max(1.0, left_s),
        ignore_result=True,
        retry=False,
    )


def collect(keys: Sequence[str], deadline: float) -> Iterator[tuple[str, bytes]]:
    """The answers as they come, until all are there or the time is over."""
    missing = set(keys)
    while missing and (left_s := deadline - time.monotonic()) > 0:
        stop_if_cancelled()
        came = connection().blpop(sorted(missing), timeout=min(left_s, LOOK_EVERY_S))
        if came is not None:
            missing.discard(came[0].decode())
            yield came[0].decode(), came[1]


def reply(key: str, said: Reply) -> None:
    """Leave an answer for whoever asked, for a minute."""
    with connection().pipeline() as pipeline:
        pipeline.rpush(key, wire.encode(said._asdict()))
        pipeline.expire(key, ANSWER_KEPT_S)
        pipeline.execute()


def read(answer: bytes) -> Reply:
    try:
        return Reply(**wire.decode(answer))
    except (ValueError, TypeError):
        return Reply(None, OTHER_VERSION)
