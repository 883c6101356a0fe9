"""A request is its key's, or the signed-in person's, or nobody's; and does only what its scopes allow."""

import pytest
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest
from django.test import RequestFactory
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.authentication import (
    Caller,
    KeyOrSession,
    NotAllowed,
    NotAuthenticated,
    caller_of,
    needs_scope,
)
from accounts.models import Scope, User
from accounts.services import create_key

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada() -> User:
    return User.objects.create_user("ada", password="a long password")


def request(method: str = "GET", *, user: object = None, **headers: str) -> HttpRequest:
    made = RequestFactory().generic(method, "/v1/models", headers=headers)
    made.user = user or AnonymousUser()
    return made


def key_header(user: User, *scopes: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {create_key(user=user, name='k', scopes=scopes)[1]}"}


def test_a_key_speaks_for_its_user(ada: User) -> None:
    caller = caller_of(request("POST", **key_header(ada, Scope.CHAT)))
    assert caller.user == ada
    assert caller.allows(Scope.CHAT)
    with pytest.raises(NotAllowed, match="'trace'"):
        caller.require(Scope.TRACE)


def test_a_signed_in_person_may_read(ada: User) -> None:
    assert caller_of(request(user=ada)) == Caller(ada)


def test_a_signed_in_browser_needs_its_csrf_token_to_write(ada: User) -> None:
    with pytest.raises(NotAllowed, match="CSRF"):
        caller_of(request("POST", user=ada))
    token = "a" * 32
    made = request("POST", user=ada, **{"X-CSRFToken": token})
    made.COOKIES["csrftoken"] = token
    assert caller_of(made).user == ada


def test_nobody_is_refused() -> None:
    with pytest.raises(NotAuthenticated, match="Bearer"):
        caller_of(request())


@pytest.mark.parametrize(
    "header", ["Bearer nonsense", "Bearer", "Basic YTpi", "\x00", "Bearer " + "x" * 10_000]
)
def test_a_bad_key_is_refused_even_in_a_signed_in_browser(ada: User, header: str) -> None:
    with pytest.raises(NotAuthenticated):
        caller_of(request(user=ada, Authorization=header))


@pytest.mark.parametrize(("staff", "allowed"), [(False, {"chat", "trace"}), (True, set(Scope.values))])
def test_people_may_do_what_their_account_allows(ada: User, staff: bool, allowed: set[str]) -> None:
    ada.is_staff = staff
    assert {scope for scope in Scope.values if Caller(ada).allows(scope)} == allowed


class Guarded(APIView):
    authentication_classes = [KeyOrSession]
    permission_classes = [needs_scope(Scope.TRACE)]

    def post(self, request: HttpRequest) -> Response:
        return Response({"user": request.user.get_username()})


@pytest.mark.parametrize(("scopes", "status"), [(["trace"], 200), (["chat"], 403), ([], 401)])
def test_rest_framework_views_know_the_same_keys(ada: User, scopes: list[str], status: int) -> None:
    headers = key_header(ada, *scopes) if scopes else {}
    response = Guarded.as_view()(request("POST", **headers))
    assert response.status_code == status


def test_rest_framework_views_refuse_bad_keys_and_forged_forms(ada: User) -> None:
    assert Guarded.as_view()(request("POST", Authorization="Bearer x")).status_code == 401
    assert Guarded.as_view()(request("POST", user=ada)).status_code == 403
