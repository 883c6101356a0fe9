"""A key that was good a moment ago is good again without the database, until something about it changes."""

from datetime import timedelta

import pytest
from django.test import RequestFactory
from django.utils import timezone

from accounts.authentication import NotAuthenticated, caller_of, recent_caller
from accounts.models import ApiKey, Scope, User
from accounts.recent import Recent
from accounts.services import create_key, revoke_key

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def key() -> tuple[ApiKey, str]:
    user = User.objects.create_user("recent-ada", password="a long password")
    return create_key(user=user, name="recent", scopes=[Scope.CHAT])


def asking(secret: str, scheme: str = "Bearer"):
    return RequestFactory().get("/v1/models", headers={"Authorization": f"{scheme} {secret}"})


def test_a_key_is_remembered_once_it_was_checked(key: tuple[ApiKey, str]) -> None:
    assert recent_caller(asking(key[1])) is None
    caller_of(asking(key[1]))
    caller = recent_caller(asking(key[1]))
    assert caller is not None
    assert (caller.key, caller.user.username) == (key[0], "recent-ada")
    assert caller.allows(Scope.CHAT)
    assert not caller.allows(Scope.ADMIN)


def test_nothing_but_the_whole_key_is_remembered(key: tuple[ApiKey, str]) -> None:
    caller_of(asking(key[1]))
    for wrong in (key[1][:-1], key[1] + "x", key[0].prefix, key[1].swapcase(), ""):
        assert recent_caller(asking(wrong)) is None
    assert recent_caller(asking(key[1], "Basic")) is None
    assert recent_caller(RequestFactory().get("/v1/models")) is None


def test_a_refused_key_is_not_remembered() -> None:
    with pytest.raises(NotAuthenticated):
        caller_of(asking("abcdefgh." + "x" * 32))
    assert recent_caller(asking("abcdefgh." + "x" * 32)) is None


def test_a_revoked_key_is_forgotten_at_once(key: tuple[ApiKey, str]) -> None:
    caller_of(asking(key[1]))
    revoke_key(key=key[0])
    assert recent_caller(asking(key[1])) is None
    with pytest.raises(NotAuthenticated, match="revoked"):
        caller_of(asking(key[1]))


def test_a_remembered_key_expires_on_time(key: tuple[ApiKey, str]) -> None:
    caller_of(asking(key[1]))
    remembered = recent_caller(asking(key[1]))
    assert remembered is not None
    assert remembered.key is not None
    remembered.key.expiry_date = timezone.now() - timedelta(seconds=1)
    assert recent_caller(asking(key[1])) is None


def test_what_is_recent_is_bounded_and_ends() -> None:
    recent: Recent[int] = Recent(keep_s=60, most=3)
    for n in range(5):
        recent.put(n, n)
    assert [recent.get(n) for n in range(5)] == [None, None, 2, 3, 4]
    recent.clear()
    assert recent.get(4) is None
    over: Recent[int] = Recent(keep_s=0)
    over.put("a", 1)
    assert over.get("a") is None
