"""The audit log: every act of an administrator leaves an entry, in the transaction of the act itself."""

import getpass
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest

from accounts.models import ApiKey, AuditEntry, User


@dataclass(frozen=True)
class Actor:
    """Who does something: a person, perhaps by one of their keys, or a command; and from which address."""

    name: str
    user: User | None = None
    key: ApiKey | None = None
    address: str = ""

    @classmethod
    def of_request(cls, request: HttpRequest, key: ApiKey | None = None) -> "Actor":
        """The signed-in person. The address is the connection's own: headers can say anything."""
        user = key.user if key else request.user
        return cls(user.get_username(), user, key, request.META.get("REMOTE_ADDR", ""))

    @classmethod
    def of_command(cls, command: str) -> "Actor":
        """Whoever typed `manage.py COMMAND` on the machine itself, by their name there."""
        try:
            person = getpass.getuser()
        except (KeyError, OSError):  # a user id without a name, as containers have
            person = "unknown"
        return cls(f"{person} (manage.py {command})")


def record_act(
    *,
    by: Actor,
    action: str,
    object_type: str,
    object_id: object,
    label: str,
    detail: Mapping[str, Any] | None = None,
) -> AuditEntry:
    """Write an entry. To be called in the act's own transaction: neither is there without the other."""
    return AuditEntry.objects.create(
        actor=by.user,
        actor_name=by.name[:200],
        key=f"{by.key.name} ({by.key.prefix})" if by.key else "",
        address=by.address[:45],
        action=action,
        object_type=object_type,
        object_id=str(object_id)[:200],
        label=label[:300],
        detail=dict(detail or {}),
    )
