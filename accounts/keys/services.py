"""One's own keys."""

from datetime import datetime

from django.db import transaction
from django.db.models import QuerySet

from accounts.audit import Actor
from accounts.limits.models import Audience, Limit, Period, Resource
from accounts.limits.rules import forget_rules
from accounts.models import ApiKey, User
from accounts.services import KeyRefused, create_key

LIVING_MAX = 50


@transaction.atomic
def make_own_key(
    *,
    user: User,
    by: Actor,
    name: str,
    scopes: list[str],
    expires_at: datetime | None = None,
    tokens_a_day: int | None = None,
) -> tuple[ApiKey, str]:
    """A key with its limit, and the text that is shown once. Raises KeyRefused where there are too many."""
    if own_keys(user).filter(revoked=False).count() >= LIVING_MAX:
        raise KeyRefused(f"You have {LIVING_MAX} keys already. Revoke one that is not used any more.")
    key, secret = create_key(user=user, name=name, scopes=scopes, expires_at=expires_at, by=by)
    if tokens_a_day:
        Limit.objects.create(
            audience=Audience.KEY, key=key, resource=Resource.TOKENS, period=Period.DAY, amount=tokens_a_day
        )
        transaction.on_commit(forget_rules)
    return key, secret


def own_keys(user: User) -> QuerySet[ApiKey]:
    """The newest first, with their limits."""
    return user.api_keys.prefetch_related("limits").order_by("revoked", "-created")
