"""Keys are shown once, kept as hashes, and let in exactly those who hold a living one."""

from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from accounts.models import ApiKey, Scope, User
from accounts.services import KeyRefused, create_key, find_key, revoke_key

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada() -> User:
    return User.objects.create_user("ada", password="a long password")


def test_a_key_finds_its_user_and_scopes(ada: User) -> None:
    _, secret = create_key(user=ada, name="notebook", scopes=[Scope.CHAT, Scope.TRACE])
    key = find_key(secret)
    assert (key.user, key.scopes, key.name) == (ada, ["chat", "trace"], "notebook")


def test_the_secret_is_kept_nowhere(ada: User) -> None:
    _, secret = create_key(user=ada, name="notebook", scopes=[Scope.CHAT])
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM accounts_apikey")
        [row] = cursor.fetchall()
    assert secret.partition(".")[2] not in str(row)


def test_the_last_use_is_remembered(ada: User) -> None:
    key, secret = create_key(user=ada, name="notebook", scopes=[Scope.CHAT])
    assert key.last_used_at is None
    find_key(secret)
    key.refresh_from_db()
    first = key.last_used_at
    assert first is not None
    find_key(secret)
    key.refresh_from_db()
    assert key.last_used_at == first


def test_a_revoked_key_is_refused(ada: User) -> None:
    key, secret = create_key(user=ada, name="notebook", scopes=[Scope.CHAT])
    revoke_key(key=key)
    with pytest.raises(KeyRefused, match="revoked"):
        find_key(secret)


def test_an_expired_key_is_refused(ada: User) -> None:
    past = timezone.now() - timedelta(seconds=1)
    _, secret = create_key(user=ada, name="notebook", scopes=[Scope.CHAT], expires_at=past)
    with pytest.raises(KeyRefused, match="expired"):
        find_key(secret)


def test_the_key_of_a_closed_account_is_refused(ada: User) -> None:
    _, secret = create_key(user=ada, name="notebook", scopes=[Scope.CHAT])
    User.objects.update(is_active=False)
    with pytest.raises(KeyRefused, match="closed"):
        find_key(secret)


@pytest.mark.parametrize("change", [str.swapcase, lambda s: s[:-1], lambda s: s + "x", lambda s: ""])
def test_anything_but_the_whole_secret_is_refused(ada: User, change) -> None:
    _, secret = create_key(user=ada, name="notebook", scopes=[Scope.CHAT])
    with pytest.raises(KeyRefused, match="not known"):
        find_key(change(secret))


@pytest.mark.parametrize("secret", ["\0" * 8, "a.b", "é" * 50, "x" * 100_000, "%s.%s"])
def test_odd_secrets_are_refused(secret: str) -> None:
    with pytest.raises(KeyRefused):
        find_key(secret)


@pytest.mark.parametrize("scopes", [[], ["everything"]])
def test_keys_have_known_scopes(ada: User, scopes: list[str]) -> None:
    with pytest.raises(KeyRefused, match="scope"):
        create_key(user=ada, name="notebook", scopes=scopes)
    assert not ApiKey.objects.exists()
