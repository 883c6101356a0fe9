"""The doors to the limits. Every address that makes Headwater work asks `admit` first; what tokens and
GPU-seconds an answer took is told to `record_usage` when it ends."""

from collections.abc import Iterator
from contextlib import contextmanager

from asgiref.sync import sync_to_async
from django.db import close_old_connections
from django.http import HttpRequest
from redis.exceptions import RedisError

from accounts.limits.admission import (
    KINDS,
    RESERVED_ENGINE_S,
    RESERVED_TOKENS,
    RESERVING,
    Admission,
    LimitsUnavailable,
    OverLimit,
    admission_of,
)
from accounts.limits.models import Resource
from accounts.limits.rules import Rule, addressed, known_rules, rules_for
from accounts.limits.spender import Spender, address_of
from accounts.limits.standing import Standing
from accounts.limits.storage import (
    ADDRESS_S,
    address_key,
    async_counters,
    counters,
    in_units,
    read_answer,
    settle_call,
    standing_of,
    take_call,
)
from accounts.usage.services import add_usage

__all__ = [
    "Admission",
    "LimitsUnavailable",
    "OverLimit",
    "Spender",
    "admit",
    "admit_later",
    "admit_now",
    "admit_request",
    "admitted",
    "own_standings",
    "record_usage",
    "release",
    "remember_visitor",
]

UNAVAILABLE = "The limits cannot be checked: Redis does not answer. Try again in a moment."
Costs = dict[Resource, int]


async def admit(
    spender: Spender, kind: str, *, tokens: int = RESERVED_TOKENS, least_tokens: int = 1, times: int = 1
) -> Admission:
    """Let the spender do something once (or `times` at once), or raise OverLimit or LimitsUnavailable.

    `kind` is chat, trace, api or job. Of a chat, `tokens` of prompt and answer are reserved if so many are
    left, else what is left, until record_usage or release settles each; `least_tokens` have to be left.
    """
    rules = await taken_from(spender, kind)
    if not rules:
        return Admission(spender, kind)
    costs, held = costs_of(kind, tokens, times), times if kind in RESERVING else 0
    try:
        answer = await async_counters().take(*take_call(spender, rules, costs, held, least_tokens))
    except RedisError as error:
        raise LimitsUnavailable(UNAVAILABLE) from error
    return admission_of(spender, kind, read_answer(answer, rules), costs, least_tokens)


def admit_now(spender: Spender, kind: str, *, tokens: int = RESERVED_TOKENS, times: int = 1) -> Admission:
    """As `admit`, for code that blocks."""
    rules = of_kind(rules_for(spender), kind)
    if not rules:
        return Admission(spender, kind)
    costs, held = costs_of(kind, tokens, times), times if kind in RESERVING else 0
    try:
        answer = counters().take(*take_call(spender, rules, costs, held))
    except RedisError as error:
        raise LimitsUnavailable(UNAVAILABLE) from error
    return admission_of(spender, kind, read_answer(answer, rules), costs)


def admit_later(spender: Spender, kind: str) -> Admission:
    """As `admit_now`, for what goes on behind a request that has ended: a visitor is counted by the address
    that was last seen."""
    try:
        return admit_now(with_address(spender), kind)
    except RedisError as error:
        raise LimitsUnavailable(UNAVAILABLE) from error


async def admit_request(request: HttpRequest, kind: str, *, times: int = 1) -> Admission:
    """As `admit`, for the browser behind a page's request."""
    spender = await sync_to_async(Spender.of_request)(request)
    return await admit(spender, kind, times=times)


def record_usage(
    spender: Spender,
    *,
    model: str,
    prompt_tokens: int = 0,
    completion_tokens: int = 0,
    engine_s: float = 0.0,
    kind: str = "chat",
) -> None:
    """Write down what something took, and count it in the place of one reservation of the spender.

    It uses the database. A Redis that does not answer costs the count, not the record.
    """
    add_usage(
        spender,
        model=model,
        prompt_tokens=prompt_tokens,
        completion_tokens=completion_tokens,
        engine_s=engine_s,
        kind=kind,
    )
    settle(spender, kind, tokens=prompt_tokens + completion_tokens, engine_s=engine_s)


def release(spender: Spender, kind: str) -> None:
    """Give back what an admission holds, where nothing came of it. The request itself stays counted."""
    settle(spender, kind, tokens=0, engine_s=0.0)


@contextmanager
def admitted(request: HttpRequest, kind: str, *, times: int = 1) -> Iterator[Admission]:
    """Around the saving of what a page asks for: admits it first; gives back what it holds if it fails."""
    admission = admit_now(Spender.of_request(request), kind, times=times)
    try:
        yield admission
    except BaseException:
        for _ in range(times if admission.is_reserved else 0):
            release(admission.spender, kind)
        raise
    if admission.standings:
        remember_visitor(request)


def settle(spender: Spender, kind: str, *, tokens: int, engine_s: float) -> None:
    found = with_address(spender)
    rules = [rule for rule in rules_for(found) if rule.resource in (Resource.TOKENS, Resource.ENGINE)]
    if not rules:
        return
    used = {Resource.TOKENS: tokens, Resource.ENGINE: in_units(Resource.ENGINE, engine_s)}
    counters().settle(*settle_call(found, rules, used, pop=kind in RESERVING))


def own_standings(user_id: int) -> list[Standing]:
    """How each limit of a person stands, the fullest first; none where Redis does not answer."""
    try:
        standings = [standing_of(rule) for rule in rules_for(Spender(user_id=user_id))]
    except RedisError:
        return []
    return sorted(standings, key=lambda standing: -standing.share_used)


def remember_visitor(request: HttpRequest) -> None:
    """Keep the address behind an anonymous browser's session: what its answers take is counted there."""
    if request.session.session_key and not request.user.is_authenticated:
        key = address_key(request.session.session_key)
        counters().get_connection().set(key, address_of(request), ex=ADDRESS_S)


def with_address(spender: Spender) -> Spender:
    """A visitor who is known by the session alone, with the address that was last seen."""
    if spender.user_id is not None or spender.address or not spender.session_key:
        return spender
    kept = counters().get_connection().get(address_key(spender.session_key))
    return Spender(session_key=spender.session_key, address=kept.decode()) if kept else spender


async def taken_from(spender: Spender, kind: str) -> list[Rule]:
    """The rules that a request of this kind is counted in."""
    known = known_rules(spender)
    rules = await sync_to_async(rules_anew)(spender) if known is None else addressed(known, spender)
    return of_kind(rules, kind)


def rules_anew(spender: Spender) -> tuple[Rule, ...]:
    """As rules_for, in a thread that may have kept a connection which the server has closed since."""
    close_old_connections()
    return rules_for(spender)


def of_kind(rules: tuple[Rule, ...], kind: str) -> list[Rule]:
    return [rule for rule in rules if rule.resource in KINDS[kind]]


def costs_of(kind: str, tokens: int, times: int) -> Costs:
    return {
        Resource.REQUESTS: times,
        Resource.JOBS: times,
        Resource.TOKENS: max(1, tokens) * times,
        Resource.ENGINE: in_units(Resource.ENGINE, RESERVED_ENGINE_S) * times if kind in RESERVING else 0,
    }
