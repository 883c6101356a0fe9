"""What is done with people's API keys, wherever it is asked for."""

import re
from collections.abc import Iterable
from datetime import datetime, timedelta

from django.utils import timezone

from accounts.models import ApiKey, Scope, User

KEY_FORMAT = re.compile(r"[A-Za-z0-9]{8}\.[A-Za-z0-9]{16,128}")
USE_NOTED_EVERY = timedelta(minutes=1)


class KeyRefused(Exception):
    """An API key cannot be made or used; the message says why, and never shows the key."""


def create_key(
    *, user: User, name: str, scopes: Iterable[str], expires_at: datetime | None = None
) -> tuple[ApiKey, str]:
    """Make a key; the text returned beside it is shown once and kept nowhere."""
    wanted = sorted(set(scopes))
    if unknown := set(wanted) - set(Scope.values):
        raise KeyRefused(f"{min(unknown)!r} is no scope; choose from {', '.join(Scope.values)}.")
    if not wanted:
        raise KeyRefused(f"A key needs a scope: choose from {', '.join(Scope.values)}.")
    return ApiKey.objects.create_key(name=name, user=user, scopes=wanted, expiry_date=expires_at)


def revoke_key(*, key: ApiKey) -> None:
    """From now on nobody can use it; this cannot be undone."""
    key.revoked = True
    key.save(update_fields=["revoked"])


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
