"""Who asks, and whether they may: a program with an API key, or a person who is signed in.

`/v1` calls `caller_of` itself; Django REST framework's views use the classes below it.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.http import HttpRequest
from rest_framework.authentication import BaseAuthentication, CSRFCheck
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from accounts.models import ApiKey, Scope, User
from accounts.recent_keys import remember_key, remembered_key
from accounts.services import KeyRefused, find_key
from accounts.terms.services import terms_due_of

if TYPE_CHECKING:  # it is being imported while REST framework reads its settings, which name what is below
    from rest_framework.views import APIView

STAFF_SCOPES = {Scope.TRAIN, Scope.ADMIN}
SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}
HOW_TO = "Send an API key in the header: Authorization: Bearer KEY."


class NotAuthenticated(Exception):
    """Nobody whom we know: a 401."""


class NotAllowed(Exception):
    """Somebody whom we know, who may not do this: a 403."""


@dataclass(frozen=True)
class Caller:
    """A person, or a program that acts for them with one of their keys."""

    user: User
    key: ApiKey | None = None

    def allows(self, scope: str) -> bool:
        """A signed-in person does what they could give a key; a key what its scopes say, and never more than
        its person may now."""
        if self.key is not None and not self.key.allows(scope):
            return False
        return self.user.is_staff or scope not in STAFF_SCOPES

    def require(self, scope: str) -> None:
        if not self.allows(scope):
            who = "This API key" if self.key else "Your account"
            raise NotAllowed(f"{who} may not do this: it needs the scope {str(scope)!r}.")


def caller_of(request: HttpRequest) -> Caller:
    """Who sent the request. NotAuthenticated, or NotAllowed where a browser's form was forged.

    An Authorization header counts alone: one with a bad key is refused even in a signed-in browser.
    """
    caller = unchecked_caller_of(request)
    if terms := terms_due_of(caller.user):
        raise NotAllowed(f"{terms} has not been accepted: sign in with a browser and accept it at /terms/.")
    if caller.key is not None:
        remember_key(secret_of(request), caller.key)
    return caller


def unchecked_caller_of(request: HttpRequest) -> Caller:
    if header := request.headers.get("Authorization"):
        return key_caller(header)
    if not request.user.is_authenticated:
        raise NotAuthenticated(f"You are not signed in. {HOW_TO}")
    if request.method not in SAFE_METHODS:
        check_csrf(request)
    return Caller(request.user)


def recent_caller(request: HttpRequest) -> Caller | None:
    """As `caller_of`, without the database: the sender of a key that was good a moment ago, if it was."""
    key = remembered_key(secret_of(request))
    return None if key is None else Caller(key.user, key)


def secret_of(request: HttpRequest) -> str:
    """The key that a request brings, checked or not; empty if it brings none."""
    scheme, _, secret = request.headers.get("Authorization", "").partition(" ")
    return secret.strip() if scheme.lower() == "bearer" else ""


def key_caller(header: str) -> Caller:
    scheme, _, secret = header.partition(" ")
    if scheme.lower() != "bearer" or not secret.strip():
        raise NotAuthenticated(f"The Authorization header cannot be read. {HOW_TO}")
    try:
        key = find_key(secret.strip())
    except KeyRefused as error:
        raise NotAuthenticated(str(error)) from error
    return Caller(key.user, key)


def check_csrf(request: HttpRequest) -> None:
    """As Django does it for forms; the views themselves are exempt, because keys need no token."""
    check = CSRFCheck(lambda _: None)
    check.process_request(request)
    if reason := check.process_view(request, None, (), {}):
        raise NotAllowed(f"{reason} Send the page's CSRF token in the header X-CSRFToken, or use an API key.")


class KeyOrSession(BaseAuthentication):
    """For REST framework: `request.user` is the person, `request.auth` the Caller."""

    def authenticate(self, request: Request) -> tuple[User, Caller] | None:
        try:
            caller = caller_of(request._request)
        except NotAuthenticated as error:
            if "Authorization" in request.headers:
                raise AuthenticationFailed(str(error)) from error
            return None
        except NotAllowed as error:
            raise PermissionDenied(str(error)) from error
        return caller.user, caller

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="headwater"'


def needs_scope(*scopes: str) -> type[BasePermission]:
    """A permission class for REST framework's views: `permission_classes = [needs_scope(Scope.TRACE)]`. One
    of several scopes is enough."""
    names = " or ".join(repr(str(scope)) for scope in scopes)

    class NeedsScope(BasePermission):
        message = f"This needs the scope {names}."

        def has_permission(self, request: Request, view: "APIView") -> bool:
            return isinstance(request.auth, Caller) and any(map(request.auth.allows, scopes))

    return NeedsScope
