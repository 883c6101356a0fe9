"""Chats and traces of browsers that have not come back are deleted."""

from importlib import import_module

from django.conf import settings
from django.contrib.sessions.models import Session
from django.db import models, transaction
from django.utils import timezone

from accounts.owners import owned_models

AT_ONCE = 200
"""Rows deleted in one transaction: nobody waits long for the database."""


def forget_visitors() -> int:
    """Delete what belongs to sessions that have ended, then the sessions; returns how many rows went."""
    gone = sum(forget_rows(model) for model in owned_models())
    import_module(settings.SESSION_ENGINE).SessionStore.clear_expired()
    return gone


def forget_rows(model: type[models.Model]) -> int:
    living = Session.objects.filter(expire_date__gt=timezone.now()).values("session_key")
    rows = model._base_manager.filter(owner=None).exclude(session_key="").exclude(session_key__in=living)
    gone = 0
    while keys := list(rows.values_list("pk", flat=True)[:AT_ONCE]):
        with transaction.atomic():
            # Asked again: somebody may have signed in meanwhile and taken them along.
            rows.filter(pk__in=keys).delete()
        gone += len(keys)
    return gone
