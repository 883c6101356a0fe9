"""Links by which anyone may read one thing, until they expire or their owner revokes them."""

import secrets
from typing import Any, Self

from django.db import models
from django.db.models import Q
from django.utils import timezone


def new_token() -> str:
    """A link's secret: 192 random bits."""
    return secrets.token_urlsafe(24)


class LinkQuerySet(models.QuerySet[Any]):
    def living(self) -> Self:
        """Neither revoked nor expired."""
        now = timezone.now()
        return self.filter(Q(expires_at=None) | Q(expires_at__gt=now), revoked_at=None)


class Link(models.Model):
    """What every link has; a model of its own says what it leads to."""

    token = models.CharField(max_length=64, unique=True, default=new_token, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)

    class Meta:
        abstract = True
        ordering = ["-created_at"]

    @property
    def is_living(self) -> bool:
        return self.revoked_at is None and (self.expires_at is None or self.expires_at > timezone.now())
