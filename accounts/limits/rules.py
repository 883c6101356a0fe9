"""Which limits hold for whom."""

import time
from dataclasses import dataclass, replace

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db.models import Q

from accounts.limits.models import PERIOD_S, Audience, Limit, Period, Resource
from accounts.limits.spender import Spender

KEEP_S = 5.0
"""How long a process goes by the limits that it has read: a change is in force everywhere after that."""
KEPT_MAX = 10_000
MILLI = 1000
NEARER = [Audience.EVERYONE, Audience.MEMBER, Audience.PERSON]
"""For one resource and period the last of these that a person has counts."""
_kept: dict[tuple[int | None, str], tuple[float, tuple["Rule", ...]]] = {}


@dataclass(frozen=True)
class Rule:
    """A limit as it holds for one spender. `counter` names what is counted, `who` whom the message blames."""

    resource: Resource
    period: Period
    amount: int
    audience: Audience
    counter: str
    who: str

    @property
    def window_s(self) -> int:
        return PERIOD_S[self.period]

    @property
    def units(self) -> int:
        """The amount as it is counted: seconds in milliseconds."""
        return self.amount * units_of(self.resource)

    def __str__(self) -> str:
        """As people say it: 1 job, 50,000 tokens."""
        label = str(self.resource.label)
        return f"{self.amount:,} {label.removesuffix('s') if self.amount == 1 else label}"


def units_of(resource: Resource) -> int:
    return MILLI if resource == Resource.ENGINE else 1


def rules_for(spender: Spender) -> tuple[Rule, ...]:
    """Every rule that holds for the spender, kept for KEEP_S; on a miss it uses the database."""
    rules = known_rules(spender)
    if rules is None:
        rules = read_rules(spender)
        if len(_kept) >= KEPT_MAX:
            _kept.clear()
        _kept[place_of(spender)] = time.monotonic(), rules
    return addressed(rules, spender)


def known_rules(spender: Spender) -> tuple[Rule, ...] | None:
    """The rules that this process has read lately; None where it has to read them."""
    read_at, rules = _kept.get(place_of(spender), (-KEEP_S, ()))
    return rules if time.monotonic() - read_at < KEEP_S else None


def forget_rules() -> None:
    """Read the limits again: for those who have just changed them."""
    _kept.clear()


def place_of(spender: Spender) -> tuple[int | None, str]:
    return spender.user_id, spender.key_prefix


def read_rules(spender: Spender) -> tuple[Rule, ...]:
    """From the database; a visitor's own address is put in by `addressed`."""
    found = Limit.objects.filter(holding_for(spender)).select_related("key", "group")
    nearest: dict[tuple[str, str], Rule] = {}
    usual = usual_limits() if spender.user_id is None else []
    for limit in (*usual, *sorted(found, key=lambda limit: (nearness(limit), limit.amount))):
        rule = rule_of(limit, spender)
        nearest[rule.counter, rule.resource] = rule
    return tuple(nearest.values())


def usual_limits() -> list[Limit]:
    """What holds for each address without an account where the admin has no such limit."""
    usual = [
        Limit(resource=Resource.REQUESTS, period=Period.MINUTE, amount=settings.VISITOR_REQUESTS),
        Limit(resource=Resource.TOKENS, period=Period.DAY, amount=settings.VISITOR_TOKENS),
    ]
    for limit in usual:
        limit.audience = Audience.VISITOR
    return [limit for limit in usual if limit.amount]


def holding_for(spender: Spender) -> Q:
    always = Q(audience=Audience.SITE)
    if spender.user_id is None:
        return always | Q(audience__in=[Audience.VISITOR, Audience.VISITORS])
    joined = get_user_model().groups.through.objects.filter(user_id=spender.user_id)
    groups = list(joined.values_list("group_id", flat=True))
    mine = Q(audience=Audience.EVERYONE) | Q(audience=Audience.PERSON, user_id=spender.user_id)
    mine |= Q(audience__in=[Audience.MEMBER, Audience.GROUP], group_id__in=groups)
    if spender.key_prefix:
        mine |= Q(audience=Audience.KEY, key__prefix=spender.key_prefix)
    return always | mine


def nearness(limit: Limit) -> int:
    return NEARER.index(Audience(limit.audience)) if limit.audience in NEARER else 0


def rule_of(limit: Limit, spender: Spender) -> Rule:
    subject, who = {
        Audience.KEY: (f"key:{spender.key_prefix}", "This API key has"),
        Audience.GROUP: (f"group:{limit.group_id}", f"The group {limit.group} has"),
        Audience.VISITOR: ("visitor:", "Without signing in you have"),
        Audience.VISITORS: ("visitors", "All visitors who are not signed in together have"),
        Audience.SITE: ("site", "This site has"),
    }.get(Audience(limit.audience), (f"user:{spender.user_id}", "You have"))
    resource, period = Resource(limit.resource), Period(limit.period)
    counter = f"{resource.value}/{period.value}/{subject}"
    return Rule(resource, period, limit.amount, Audience(limit.audience), counter, who)


def addressed(rules: tuple[Rule, ...], spender: Spender) -> tuple[Rule, ...]:
    """A visitor's rules count by address; where that is unknown, only those of all visitors hold."""
    if spender.user_id is not None:
        return rules
    return tuple(
        replace(rule, counter=rule.counter + spender.address) if rule.audience == Audience.VISITOR else rule
        for rule in rules
        if spender.address or rule.audience != Audience.VISITOR
    )
