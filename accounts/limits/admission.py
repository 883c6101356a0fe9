"""Whether somebody may do something now."""

import math
from dataclasses import dataclass

from accounts.limits.models import Resource
from accounts.limits.rules import Rule
from accounts.limits.spender import Spender
from accounts.limits.standing import Standing
from accounts.limits.storage import ELASTIC, Taken

RESERVED_TOKENS = 1024
RESERVED_ENGINE_S = 10
"""What an answer is expected to take where nobody says; settled when it is there."""
PENDING_RETRY_S = 5
"""While answers are being written that hold reservations, there may soon be more than the windows say."""
KINDS: dict[str, tuple[Resource, ...]] = {
    "chat": (Resource.REQUESTS, Resource.TOKENS, Resource.ENGINE),
    "trace": (Resource.REQUESTS,),
    "api": (Resource.REQUESTS,),
    "job": (Resource.REQUESTS, Resource.JOBS, Resource.ENGINE),
}
"""What each kind of request takes."""
RESERVING = {"chat"}
"""Kinds that hold back what they may take. A job begins while GPU-seconds are left; they count as it ends."""


class LimitsUnavailable(Exception):
    """Limits hold for this request, and they cannot be checked now: a 503."""


class OverLimit(Exception):
    """There is not enough left of a limit: a 429."""

    def __init__(
        self,
        standing: Standing,
        retry_after_s: int,
        standings: tuple[Standing, ...] = (),
        least_tokens: int = 1,
    ) -> None:
        self.limit: Rule = standing.rule
        self.retry_after_s = retry_after_s
        self.standings = standings
        asked = ""
        if least_tokens > 1 and self.limit.resource == Resource.TOKENS:
            asked = f" This request may take {least_tokens:,}: ask for fewer by max_tokens."
        super().__init__(f"{used_up(standing)}{asked} {come_again(standing.rule, retry_after_s)}")


@dataclass(frozen=True)
class Admission:
    """Leave to do something. It may hold tokens and GPU-seconds back until `record_usage` settles them, or
    `release` gives them back."""

    spender: Spender
    kind: str
    standings: tuple[Standing, ...] = ()

    @property
    def is_reserved(self) -> bool:
        return self.kind in RESERVING and any(
            standing.rule.resource in ELASTIC for standing in self.standings
        )


def admission_of(
    spender: Spender, kind: str, answer: Taken, costs: dict[Resource, int], least_tokens: int = 1
) -> Admission:
    """What the counters' answer means; raises OverLimit where they did not give."""
    if answer.taken:
        return Admission(spender, kind, answer.standings)
    least = costs | {Resource.TOKENS: least_tokens, Resource.ENGINE: 1}
    waits = [(standing.free_in_s(least[standing.rule.resource]), standing) for standing in answer.standings]
    wait_s, standing = max(waits, key=lambda wait: wait[0])
    if answer.pending and standing.rule.resource in ELASTIC and standing.rule.units:
        wait_s = min(wait_s, PENDING_RETRY_S)
    raise OverLimit(standing, max(1, math.ceil(wait_s)), answer.standings, least_tokens)


def used_up(standing: Standing) -> str:
    rule = standing.rule
    if not rule.amount:
        return f"{rule.who} no {rule.resource.label} to use."
    return f"{rule.who} {rule} in any {rule.period.label}, and {standing.left:,} of them are left."


def come_again(rule: Rule, retry_after_s: int) -> str:
    if not rule.amount:
        return "Ask an administrator for some."
    return f"Try again in {in_words(retry_after_s)}."


def in_words(seconds: int) -> str:
    """A length of time as people say it, rounded up."""
    if seconds < 60:
        return f"{seconds} second{'s' * (seconds != 1)}"
    if seconds < 3600:
        minutes = math.ceil(seconds / 60)
        return f"{minutes} minute{'s' * (minutes != 1)}"
    hours = math.ceil(seconds / 3600)
    if hours < 48:
        return f"{hours} hour{'s' * (hours != 1)}"
    return f"{math.ceil(hours / 24)} days"
