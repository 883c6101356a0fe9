"""Signing in by a password: what goes along, what is refused, and what stays private."""

import pytest
import redis
from django.core.cache import cache
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from accounts.models import User
from accounts.owners import Owner
from playground.models import Thread
from tracing.kept import keep_trace
from tracing.models import KeptTrace

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("attempts")]
PASSWORD = "a long password"
TRACE = {"text": "words", "model": "m", "spans": [], "documents": []}


@pytest.fixture
def attempts(redis_server: redis.Redis) -> None:
    """No attempt of an earlier test counts."""
    cache.clear()


@pytest.fixture
def ada() -> User:
    return User.objects.create_user("ada", password=PASSWORD)


@pytest.fixture
def visitor(client: Client) -> Client:
    """A browser that has a chat and a trace, and no account."""
    session = client.session
    session.save()
    client.cookies["sessionid"] = session.session_key
    Thread.objects.create(session_key=session.session_key, title="A secret")
    keep_trace(owner=Owner(None, session.session_key), trace=TRACE)
    return client


def sign_in(client: Client, name: str = "ada", password: str = PASSWORD, **fields: str) -> int:
    form = {"username": name, "password": password, **fields}
    return client.post(reverse("sign-in"), form).status_code


def signed_in(client: Client) -> bool:
    return "_auth_user_id" in client.session


def test_what_a_browser_made_goes_along_with_who_signs_in_there(visitor: Client, ada: User) -> None:
    before = visitor.cookies["sessionid"].value
    assert sign_in(visitor) == 302
    assert visitor.cookies["sessionid"].value != before
    assert (Thread.objects.get().owner, Thread.objects.get().session_key) == (ada, "")
    assert KeptTrace.objects.get().owner == ada
    assert "A secret" in visitor.get("/").text


def test_what_went_along_is_nobody_else_s_afterwards(visitor: Client, ada: User) -> None:
    thread = reverse("thread", args=[Thread.objects.get().pk])
    User.objects.create_user("bob", password=PASSWORD)
    before = visitor.cookies["sessionid"].value
    sign_in(visitor)
    visitor.post(reverse("sign-out"))
    assert visitor.get(thread).status_code == 404  # the browser, once she has left it
    sign_in(visitor, "bob")
    assert visitor.get(thread).status_code == 404  # the next person at it
    old = Client()
    old.cookies["sessionid"] = before
    assert old.get(thread).status_code == 404  # whoever kept the old session


def test_only_this_browser_s_things_go_along(visitor: Client, ada: User) -> None:
    Thread.objects.create(session_key="another", title="Another's")
    bobs = Thread.objects.create(owner=User.objects.create_user("bob"), title="Bob's")
    sign_in(visitor)
    assert set(Thread.objects.filter(owner=ada).values_list("title", flat=True)) == {"A secret"}
    bobs.refresh_from_db()
    assert bobs.owner.username == "bob"


def test_a_wrong_password_carries_nothing_and_says_so(visitor: Client, ada: User) -> None:
    page = visitor.post(reverse("sign-in"), {"username": "ada", "password": "wrong"})
    assert "do not match" in page.text
    assert not signed_in(visitor)
    assert Thread.objects.get().owner is None


def test_guesses_are_counted_and_then_refused(client: Client, ada: User) -> None:
    for _ in range(5):
        sign_in(client, password="wrong")
    page = client.post(reverse("sign-in"), {"username": "ada", "password": PASSWORD})
    assert "Too many attempts" in page.text
    assert not signed_in(client)


@pytest.mark.parametrize("name", ["", "\0", "a\0b", "x" * 10_000, "<script>alert(1)</script>", "%00"])
def test_odd_names_are_refused_without_a_crash(client: Client, name: str) -> None:
    page = client.post(reverse("sign-in"), {"username": name, "password": "\0" + PASSWORD})
    assert page.status_code == 200
    assert "<script>alert" not in page.text
    assert not signed_in(client)


def test_a_closed_account_does_not_open(client: Client, ada: User) -> None:
    User.objects.update(is_active=False)
    sign_in(client)
    assert not signed_in(client)


@pytest.mark.parametrize(
    "address", ["https://elsewhere.example/", "//elsewhere.example", "javascript:alert(1)"]
)
def test_nobody_is_sent_elsewhere_after_signing_in(client: Client, ada: User, address: str) -> None:
    answer = client.post(reverse("sign-in"), {"username": "ada", "password": PASSWORD, "next": address})
    assert answer.url == "/"


def test_who_signs_in_goes_on_where_they_were(client: Client, ada: User) -> None:
    form = {"username": "ada", "password": PASSWORD, "next": "/account/"}
    assert client.post(reverse("sign-in"), form, follow=True).request["PATH_INFO"] == "/account/"


def test_accounts_are_made_by_administrators_unless_the_operator_says_otherwise(
    client: Client, settings: Settings
) -> None:
    form = {"username": "carol", "password1": PASSWORD, "password2": PASSWORD}
    assert "administrators make the accounts" in client.post(reverse("account_signup"), form).text
    assert not User.objects.exists()
    settings.SIGN_UP = True
    assert client.post(reverse("account_signup"), form).status_code == 302
    carol = User.objects.get()
    assert (carol.username, carol.is_staff, carol.is_superuser) == ("carol", False, False)
    assert signed_in(client)


def test_what_a_browser_made_goes_along_with_a_new_account(visitor: Client, settings: Settings) -> None:
    settings.SIGN_UP = True
    visitor.post(
        reverse("account_signup"), {"username": "carol", "password1": PASSWORD, "password2": PASSWORD}
    )
    assert Thread.objects.get().owner.username == "carol"


def test_a_password_is_changed_by_who_knows_it(client: Client, ada: User) -> None:
    sign_in(client)
    form = {"oldpassword": "wrong", "password1": "another long one", "password2": "another long one"}
    address = reverse("account_change_password")
    assert client.post(address, form).status_code == 200
    assert client.post(address, form | {"oldpassword": PASSWORD}).url == reverse("account")
    assert client.get(reverse("account")).status_code == 200
    assert sign_in(Client(), password="another long one") == 302
    assert sign_in(Client(), password=PASSWORD) == 200


def test_visitors_have_no_account_page(client: Client) -> None:
    assert client.get(reverse("account")).url.startswith(reverse("sign-in"))
    assert client.get(reverse("account_change_password")).url.startswith(reverse("sign-in"))


def test_without_redis_nobody_signs_in_and_the_page_says_why(
    client: Client, ada: User, settings: Settings
) -> None:
    backend = "django.core.cache.backends.redis.RedisCache"
    settings.CACHES = {"default": {"BACKEND": backend, "LOCATION": "unix:///nowhere/redis.sock"}}
    answer = client.post(reverse("sign-in"), {"username": "ada", "password": PASSWORD})
    assert answer.status_code == 503
    assert "Redis does not answer" in answer.text
    assert not signed_in(client)
