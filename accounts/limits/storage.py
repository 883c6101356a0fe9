"""The counters in Redis: those of the library `limits`, with two scripts of our own.

The library checks one limit at a time. Ours checks all that hold for a request at once, counts it in all or
in none, and counts afterwards what an answer really took. Both keep the windows as the library does.
"""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from django.conf import settings
from limits.aio.storage import RedisStorage as AsyncRedisStorage
from limits.storage import RedisStorage
from redis.asyncio import BlockingConnectionPool

from accounts.limits.models import Resource
from accounts.limits.rules import Rule, units_of
from accounts.limits.spender import Spender
from accounts.limits.standing import Standing

PREFIX = "headwater:limits"
TIMEOUT_S = 5.0
CONNECTIONS = 32
"""Of an event loop; a request beyond them waits for one, where redis-py's own pool would refuse it."""
STALE_MS = 3_600_000
"""A reservation that nobody has settled for so long is given back: whoever held it is dead."""
ADDRESS_S = 86_400
ELASTIC = {Resource.TOKENS, Resource.ENGINE}
"""Known only afterwards: admitted while something is left, counted as reserved until they are settled."""
WINDOWS = (Path(__file__).parent / "windows.lua").read_text()
TAKE = WINDOWS + (Path(__file__).parent / "take.lua").read_text()
SETTLE = WINDOWS + (Path(__file__).parent / "settle.lua").read_text()

Call = tuple[list[str], list[str]]


@dataclass(frozen=True)
class Taken:
    """What the counters answered: whether they gave, and how each stands. `pending` are the spender's
    reservations that are not settled yet."""

    taken: bool
    pending: int
    standings: tuple[Standing, ...]


class Counters(RedisStorage):
    """The counters for code that blocks."""

    def initialize_storage(self, uri: str) -> None:
        super().initialize_storage(uri)
        self.take = self.get_connection().register_script(TAKE)
        self.settle = self.get_connection().register_script(SETTLE)


class AsyncCounters(AsyncRedisStorage):
    """The counters for an event loop."""

    def __init__(self, uri: str, **options: Any) -> None:
        super().__init__(uri, implementation="redispy", **options)
        connection = self.bridge.get_connection()  # type: ignore[attr-defined]
        self.take = connection.register_script(TAKE)
        self.settle = connection.register_script(SETTLE)


def library_address() -> str:
    """REDIS_URL as the library spells it."""
    url: str = settings.REDIS_URL
    return f"redis+{url}" if url.startswith("unix://") else url


@cache
def counters() -> Counters:
    return Counters(library_address(), key_prefix=PREFIX, socket_timeout=TIMEOUT_S)


_loops: WeakKeyDictionary[asyncio.AbstractEventLoop, AsyncCounters] = WeakKeyDictionary()


def async_counters() -> AsyncCounters:
    """This event loop's."""
    loop = asyncio.get_running_loop()
    if loop not in _loops:
        pool = BlockingConnectionPool.from_url(
            settings.REDIS_URL, max_connections=CONNECTIONS, timeout=TIMEOUT_S, socket_timeout=TIMEOUT_S
        )
        address = f"async+{library_address()}"
        _loops[loop] = AsyncCounters(address, key_prefix=PREFIX, connection_pool=pool)
    return _loops[loop]


def take_call(
    spender: Spender,
    rules: Sequence[Rule],
    costs: dict[Resource, int],
    reservations: int = 1,
    least_tokens: int = 1,
) -> Call:
    """Keys and arguments of the script that takes; `costs` are in units, for all reservations together."""
    asked = {
        "counters": [counter_row(rule, costs[rule.resource], least_tokens) for rule in rules],
        "reservations": reservations if any(rule.resource in ELASTIC for rule in rules) else 0,
        "stale_ms": STALE_MS,
        "address": spender.address if spender.session_key else "",
        "address_s": ADDRESS_S,
    }
    return keys_of(spender, rules), [json.dumps(asked)]


def counter_row(rule: Rule, cost: int, least_tokens: int) -> list[object]:
    least = least_tokens if rule.resource == Resource.TOKENS else 1
    return [rule.resource, rule.units, rule.window_s * 1000, cost, int(rule.resource in ELASTIC), least]


def settle_call(spender: Spender, rules: Sequence[Rule], used: dict[Resource, int], *, pop: bool) -> Call:
    """Keys and arguments of the script that settles; `used` is in units."""
    rows = [[rule.resource, rule.window_s * 1000, used.get(rule.resource, 0)] for rule in rules]
    return keys_of(spender, rules), [json.dumps({"counters": rows, "pop": int(pop)})]


def keys_of(spender: Spender, rules: Sequence[Rule]) -> list[str]:
    """The windows of each rule, the spender's reservations, and where a visitor's address is kept."""
    windows = [key for rule in rules for key in window_keys(rule)]
    return [*windows, f"{PREFIX}:reserved:{spender.name}", address_key(spender.session_key)]


def window_keys(rule: Rule) -> tuple[str, str]:
    """The previous and the current window, by the library's own names."""
    return f"{PREFIX}:{{{rule.counter}}}/-1", f"{PREFIX}:{{{rule.counter}}}"


def address_key(session_key: str) -> str:
    return f"{PREFIX}:address:{session_key}"


def read_answer(answer: bytes | str, rules: Sequence[Rule]) -> Taken:
    found = json.loads(answer)
    windows = [[int(number) for number in window] for window in found["windows"]]
    standings = tuple(Standing(rule, *window) for rule, window in zip(rules, windows, strict=True))
    return Taken(found["taken"], found["pending"], standings)


def standing_of(rule: Rule) -> Standing:
    """How a rule stands now, taking nothing."""
    previous, previous_ttl_s, current, current_ttl_s = counters().get_sliding_window(
        rule.counter, rule.window_s
    )
    return Standing(rule, previous, round(previous_ttl_s * 1000), current, round(current_ttl_s * 1000))


def in_units(resource: Resource, amount: float) -> int:
    return round(amount * units_of(resource))
