"""Limits as OpenAI's clients expect them: headers that say what is left, and errors with Retry-After."""

import re
from collections.abc import Iterable

from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest

from accounts.authentication import Caller
from accounts.limits.admission import RESERVED_TOKENS
from accounts.limits.models import Resource
from accounts.limits.rules import known_rules, place_of, rules_for
from accounts.limits.services import Admission, Spender, admit
from accounts.limits.spender import address_of
from accounts.limits.standing import Standing
from playground.database import in_database
from playground.gateway.once import once

CHARACTERS_A_TOKEN = 3
ASKED = re.compile(rb'"max_(?:completion_)?tokens"\s*:\s*(\d{1,9})')
ANSWERS = re.compile(rb'"(?:n|best_of)"\s*:\s*(\d{1,3})')
HEADERS = {Resource.REQUESTS: "requests", Resource.TOKENS: "tokens"}


async def let_in(request: HttpRequest, caller: Caller, kind: str) -> Admission:
    """The caller's leave for one request; OverLimit or LimitsUnavailable."""
    spender = Spender.of_caller(caller, address_of(request))
    if known_rules(spender) is None:
        await once(("rules", place_of(spender)), lambda: in_database(rules_for, spender))
    if kind != "chat":
        return await admit(spender, kind)
    tokens, is_bound = tokens_asked(request)
    return await admit(spender, kind, tokens=tokens, least_tokens=tokens if is_bound else 1)


def tokens_asked(request: HttpRequest) -> tuple[int, bool]:
    """What a body will take, as far as can be told without reading it, and whether it says itself that it
    takes no more. The body is read later, and only if there is leave for it; what the answer really took is
    counted at its end."""
    try:
        body = request.body
    except RequestDataTooBig:  # which the reading of the body will say
        return RESERVED_TOKENS, False
    asked = [int(number) for number in ASKED.findall(body)]
    answers = max((int(number) for number in ANSWERS.findall(body)), default=1)
    longest = max(asked, default=RESERVED_TOKENS) * max(1, answers)
    return len(body) // CHARACTERS_A_TOKEN + longest, bool(asked)


def limit_headers(standings: Iterable[Standing]) -> dict[str, str]:
    """x-ratelimit-* of the limits on requests and on tokens of which the least is left."""
    headers = {}
    for resource, name in HEADERS.items():
        found = [standing for standing in standings if standing.rule.resource == resource]
        if found:
            least = min(found, key=lambda standing: standing.left)
            headers |= {
                f"x-ratelimit-limit-{name}": str(least.rule.amount),
                f"x-ratelimit-remaining-{name}": str(least.left),
                f"x-ratelimit-reset-{name}": duration(least.whole_in_s),
            }
    return headers


def duration(seconds: float) -> str:
    """As OpenAI writes it: 850ms, 12.5s, 6m0s, 2h3m0s."""
    if seconds < 1:
        return f"{round(seconds * 1000)}ms"
    if seconds < 60:
        return f"{round(seconds, 1):g}s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes}m{rest}s" if hours else f"{minutes}m{rest}s"
