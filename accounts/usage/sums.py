"""Usage summed up: by person, group, model, key, day or kind of request."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from django.contrib.auth.models import Group
from django.db.models import QuerySet, Sum
from django.utils import timezone

from accounts.models import ApiKey, User
from accounts.usage.models import Usage, UsageKind

SUMMED = ("requests", "prompt_tokens", "completion_tokens", "engine_ms", "cost")
VISITORS = "visitors without an account"
Row = dict[str, Any]


@dataclass(frozen=True)
class Line:
    """One line of a table: what something used in all. `detail` says more about it."""

    label: str
    detail: str = ""
    requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    engine_ms: int = 0
    cost: Decimal = Decimal(0)

    @property
    def tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens

    @property
    def engine_s(self) -> float:
        return self.engine_ms / 1000

    def plus(self, row: Row) -> "Line":
        return Line(self.label, self.detail, **{name: getattr(self, name) + row[name] for name in SUMMED})


def usage_since(days: int, user: User | None = None) -> QuerySet[Usage]:
    """The rows of the last `days` days (UTC), today included; of one person, or of everybody."""
    rows = Usage.objects.filter(day__gt=timezone.now().date() - timedelta(days=days))
    return rows if user is None else rows.filter(account=str(user.pk))


def total_of(rows: QuerySet[Usage]) -> Line:
    sums = rows.aggregate(**{f"{name}_sum": Sum(name) for name in SUMMED})
    return Line("in all", "", **{name: sums[f"{name}_sum"] or 0 for name in SUMMED})


def by_person(rows: QuerySet[Usage]) -> list[Line]:
    sums = summed(rows, "account")
    names = User.objects.in_bulk([int(row["account"]) for row in sums if row["account"]])

    def name_of(account: str) -> str:
        if not account:
            return VISITORS
        user = names.get(int(account))
        return user.get_username() if user else f"account {account}, deleted"

    return ranked(Line(name_of(row["account"])).plus(row) for row in sums)


def by_group(rows: QuerySet[Usage]) -> list[Line]:
    """By the groups that people are in now: whoever is in two counts in both."""
    sums = {row["account"]: row for row in summed(rows, "account")}
    lines, seen = [], set[str]()
    for group in Group.objects.prefetch_related("user_set"):
        members = {str(user.pk) for user in group.user_set.all()} & sums.keys()
        seen |= members
        lines.append(added(Line(group.name), [sums[account] for account in members]))
    rest = [row for account, row in sums.items() if account and account not in seen]
    lines.append(added(Line("people in no group"), rest))
    lines.append(added(Line(VISITORS), [sums[""]] if "" in sums else []))
    return ranked(line for line in lines if line.requests)


def by_model(rows: QuerySet[Usage]) -> list[Line]:
    return ranked(Line(row["model"]).plus(row) for row in summed(rows, "model"))


def by_kind(rows: QuerySet[Usage]) -> list[Line]:
    return ranked(Line(str(UsageKind(row["kind"]).label)).plus(row) for row in summed(rows, "kind"))


def by_key(rows: QuerySet[Usage]) -> list[Line]:
    sums = summed(rows, "key_prefix")
    prefixes = [row["key_prefix"] for row in sums]
    keys = {key.prefix: key for key in ApiKey.objects.filter(prefix__in=prefixes).select_related("user")}

    def line_of(prefix: str) -> Line:
        if not prefix:
            return Line("in a browser")
        key = keys.get(prefix)
        return Line(key.name, f"{prefix}, of {key.user.get_username()}") if key else Line(prefix, "deleted")

    return ranked(line_of(row["key_prefix"]).plus(row) for row in sums)


def by_day(rows: QuerySet[Usage], days: int) -> list[Line]:
    """Every day of them, the oldest first, also those without use."""
    sums = {row["day"]: row for row in summed(rows, "day")}
    today = timezone.now().date()
    listed: list[date] = [today - timedelta(days=back) for back in reversed(range(days))]
    return [Line(day.isoformat()).plus(sums[day]) if day in sums else Line(day.isoformat()) for day in listed]


BY: dict[str, Callable[[QuerySet[Usage]], list[Line]]] = {
    "person": by_person,
    "group": by_group,
    "model": by_model,
    "key": by_key,
    "kind": by_kind,
}


def summed(rows: QuerySet[Usage], field: str) -> list[Row]:
    found = rows.order_by().values(field).annotate(**{f"{name}_sum": Sum(name) for name in SUMMED})
    return [{field: row[field]} | {name: row[f"{name}_sum"] for name in SUMMED} for row in found]


def added(line: Line, rows: Iterable[Row]) -> Line:
    for row in rows:
        line = line.plus(row)
    return line


def ranked(lines: Iterable[Line]) -> list[Line]:
    """Those that used most first."""
    return sorted(lines, key=lambda line: (-line.cost, -line.tokens, -line.engine_ms, line.label))
