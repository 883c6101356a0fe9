"""Writes down what answers took. Those that end while others are written go together, in one transaction: a
write for each would keep the processor from the answers that still stream."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Iterable, Sequence
from contextvars import Context
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from django.db import DatabaseError, transaction
from redis.exceptions import RedisError

from accounts.limits.services import settle
from accounts.limits.spender import Spender
from accounts.usage.services import add_usage
from playground.database import in_database

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Taken:
    """What an answer took of a model. `engine_s` is None where no engine began it."""

    spender: Spender
    model: str
    prompt_tokens: int
    completion_tokens: int
    engine_s: float | None


class Ledger:
    """One for each event loop; use `write_down`."""

    def __init__(self) -> None:
        self._waiting: list[Taken] = []
        self._writing: asyncio.Task[None] | None = None

    def add(self, taken: Taken) -> None:
        self._waiting.append(taken)
        if self._writing is None or self._writing.done():
            loop = asyncio.get_running_loop()
            self._writing = loop.create_task(self._write_all(), context=Context())

    async def _write_all(self) -> None:
        while self._waiting:
            together, self._waiting = self._waiting, []
            try:
                await in_database(write, together)
            except Exception:
                logger.exception("What %d answers took could not be written down", len(together))


_ledgers: WeakKeyDictionary[asyncio.AbstractEventLoop, Ledger] = WeakKeyDictionary()


def write_down(taken: Taken) -> None:
    """In the background, and settle one reservation of its spender."""
    _ledgers.setdefault(asyncio.get_running_loop(), Ledger()).add(taken)


def write(together: Sequence[Taken]) -> None:
    """The record first: a Redis that does not answer costs the counts, not the record."""
    begun = [taken for taken in together if taken.engine_s is not None]
    try:
        with transaction.atomic():
            add_sums(begun)
    except DatabaseError as error:
        logger.error("What %d answers took could not be written down: %s", len(begun), error)
    try:
        for taken in together:
            tokens = 0 if taken.engine_s is None else taken.prompt_tokens + taken.completion_tokens
            settle(taken.spender, "chat", tokens=tokens, engine_s=taken.engine_s or 0.0)
    except (DatabaseError, RedisError) as error:
        logger.error("What %d answers took could not be counted: %s", len(together), error)


def add_sums(together: Iterable[Taken]) -> None:
    """A row of the day's usage is written once for all answers that belong to it."""
    alike: dict[tuple[int | None, str, str], list[Taken]] = defaultdict(list)
    for taken in together:
        alike[taken.spender.user_id, taken.spender.key_prefix, taken.model].append(taken)
    for group in alike.values():
        add_usage(
            group[0].spender,
            model=group[0].model,
            prompt_tokens=sum(taken.prompt_tokens for taken in group),
            completion_tokens=sum(taken.completion_tokens for taken in group),
            engine_s=sum(taken.engine_s or 0.0 for taken in group),
            kind="chat",
            requests=len(group),
        )
