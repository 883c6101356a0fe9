"""Whose a thing is: a signed-in person's, or an anonymous browser session's. Never anyone else's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from django.apps import apps
from django.db import models
from django.http import HttpRequest

from accounts.visitors.newcomers import begin_session

if TYPE_CHECKING:  # the models of rooms are made with this module
    from accounts.models import User


@dataclass(frozen=True)
class Owner:
    """Who owns what is made now: `user`, or where that is None the browser session with this key."""

    user: User | None
    session_key: str = ""

    @classmethod
    def of(cls, request: HttpRequest) -> Self:
        """The owner behind a request. An anonymous browser gets a session when it has none."""
        if request.user.is_authenticated:
            return cls(request.user)
        if not request.session.session_key:
            begin_session(request)
        return cls(None, request.session.session_key or "")


class OwnedQuerySet(models.QuerySet[Any]):
    """Rows with the fields `owner` and `session_key`."""

    def of(self, owner: Owner) -> Self:
        if owner.user is not None:
            return self.filter(owner=owner.user)
        return self.filter(owner=None, session_key=owner.session_key) if owner.session_key else self.none()

    def of_browser(self, request: HttpRequest) -> Self:
        """As `of`, without giving the browser a session: who has none owns nothing."""
        if request.user.is_authenticated:
            return self.filter(owner=request.user)
        key = request.session.session_key
        return self.filter(owner=None, session_key=key) if key else self.none()


def owned_models() -> list[type[models.Model]]:
    """Every model whose rows belong to a person or a browser: those with `owner` and `session_key`."""
    owned = {"owner", "session_key"}
    return [model for model in apps.get_models() if owned <= {field.name for field in model._meta.fields}]
