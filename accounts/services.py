"""What is done with people's API keys, wherever it is asked for."""

import re
from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from accounts.audit import Actor, record_act
from accounts.models import ApiKey, Scope, User
from accounts.recent_keys import forget_keys

KEY_FORMAT = re.compile(r"[A-Za-z0-9]{8}\.[A-Za-z0-9]{16,128}")
USE_NOTED_EVERY = timedelta(minutes=1)


class KeyRefused(Exception):
    """An API key cannot be made or used; the message says why, and never shows the key."""


@transaction.atomic
def create_key(
    *,
    user: User,
    name: str,
    scopes: Iterable[str],
    expires_at: datetime | None = None,
    by: Actor | None = None,
) -> tuple[ApiKey, str]:
    """Make a key, and log it; the text returned beside it is shown once and kept nowhere."""
    wanted = sorted(set(scopes))
    if unknown := set(wanted) - set(Scope.values):
        raise KeyRefused(f"{min(unknown)!r} is no scope; choose from {', '.join(Scope.values)}.")
    if not wanted:
        raise KeyRefused(f"A key needs a scope: choose from {', '.join(Scope.values)}.")
    key, secret = ApiKey.objects.create_key(name=name, user=user, scopes=wanted, expiry_date=expires_at)
    log_key(key, "create key", by)
    return key, secret


@transaction.atomic
def revoke_key(*, key: ApiKey, by: Actor | None = None) -> None:
    """From now on nobody can use it; this cannot be undone, and is logged."""
    key.revoked = True
    key.save(update_fields=["revoked"])
    transaction.on_commit(forget_keys)
    log_key(key, "revoke key", by)


def log_key(key: ApiKey, action: str, by: Actor | None = None) -> None:
    """An entry of the audit log about a key, by its own user unless somebody else did it."""
    detail = {"user": key.user.get_username(), "scopes": key.scopes}
    by = by or Actor(key.user.get_username(), key.user)
    label = f"{key.name} ({key.prefix})"
    record_act(by=by, action=action, object_type="key", object_id=key.prefix, label=label, detail=detail)


def find_key(secret: str) -> ApiKey:
    """The key that a program sent, with its user; KeyRefused unless it may be used now."""
    key = None
    if KEY_FORMAT.fullmatch(secret):
        key = ApiKey.objects.select_related("user").filter(prefix=secret.partition(".")[0]).first()
    if key is None or not key.is_valid(secret):
        raise KeyRefused("This API key is not known. Check that it was copied whole.")
    if key.revoked or key.has_expired:
        raise KeyRefused(f"This API key {'was revoked' if key.revoked else 'has expired'}. Make another.")
    if not key.user.is_active:
        raise KeyRefused("The account that this API key belongs to is closed.")
    note_use(key)
    return key


def note_use(key: ApiKey) -> None:
    """Remember when the key was last used, to the minute."""
    now = timezone.now()
    if key.last_used_at is None or now - key.last_used_at > USE_NOTED_EVERY:
        ApiKey.objects.filter(pk=key.pk).update(last_used_at=now)
