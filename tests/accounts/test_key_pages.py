"""The page of keys: made with the scopes one has, shown once, revoked by their owner alone."""

from datetime import timedelta

import pytest
import redis
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.limits.models import Limit
from accounts.models import ApiKey, AuditEntry, Scope, User
from accounts.services import create_key, find_key

pytestmark = pytest.mark.django_db
KEYS = "/keys/"


@pytest.fixture
def ada() -> User:
    return User.objects.create_user("ada", password="a long password")


@pytest.fixture
def browser(client: Client, ada: User) -> Client:
    client.force_login(ada)
    return client


def form(**fields: object) -> dict[str, object]:
    return {"name": "notebook", "scopes": ["chat"], "lasts": "90", "tokens_a_day": ""} | fields


def secret_in(text: str) -> str:
    return text.partition('id="new-key"')[2].partition('value="')[2].partition('"')[0]


def test_a_key_is_shown_once_and_works(browser: Client, ada: User) -> None:
    answer = browser.post(KEYS, form(scopes=["chat", "trace"]))
    secret = secret_in(answer.text)
    key = find_key(secret)
    assert (key.user, key.name, key.scopes) == (ada, "notebook", ["chat", "trace"])
    assert abs(key.expiry_date - timezone.now() - timedelta(days=90)) < timedelta(minutes=1)
    assert "no-store" in answer.headers["Cache-Control"]
    again = browser.get(KEYS).text
    assert "notebook" in again
    assert secret.partition(".")[2] not in again


def test_a_key_without_an_end_says_so(browser: Client) -> None:
    browser.post(KEYS, form(lasts=""))
    assert ApiKey.objects.get().expiry_date is None
    assert "works until it is revoked" in browser.get(KEYS).text


def test_a_key_may_have_a_limit_of_its_own(browser: Client) -> None:
    browser.post(KEYS, form(tokens_a_day="5000"))
    limit = Limit.objects.get()
    assert (limit.key, limit.amount, limit.resource, limit.period) == (
        ApiKey.objects.get(),
        5000,
        "tokens",
        "day",
    )
    assert "5,000 tokens a day" in browser.get(KEYS).text


@pytest.mark.parametrize("scope", ["train", "admin", "everything", "\0"])
def test_nobody_gives_a_key_what_they_may_not_do_themselves(browser: Client, scope: str) -> None:
    answer = browser.post(KEYS, form(scopes=["chat", scope]))
    assert answer.status_code == 422
    assert "is not among what you may give a key" in answer.text
    assert not ApiKey.objects.exists()


def test_administrators_give_every_scope(client: Client) -> None:
    client.force_login(User.objects.create_superuser("grace"))
    client.post(KEYS, form(scopes=list(Scope.values)))
    assert ApiKey.objects.get().scopes == sorted(Scope.values)


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"name": " "}, "Give the key a name"),
        ({"name": "x" * 51}, "too long: 50 characters"),
        ({"name": "a\0b"}, "haracters"),
        ({"name": "a\u202eb"}, "cannot be shown"),
        ({"scopes": []}, "Choose what the key may do"),
        ({"lasts": "36500"}, "Select a valid choice"),
        ({"lasts": "NaN"}, "Select a valid choice"),
        ({"tokens_a_day": "0"}, "1 or more"),
        ({"tokens_a_day": "-5"}, "1 or more"),
        ({"tokens_a_day": "NaN"}, "whole number"),
        ({"tokens_a_day": "1e9"}, "whole number"),
        ({"tokens_a_day": "9" * 30}, "at most"),
    ],
)
def test_what_cannot_be_is_refused_with_a_reason(browser: Client, fields: dict, error: str) -> None:
    answer = browser.post(KEYS, form(**fields))
    assert (answer.status_code, error in answer.text) == (422, True)
    assert not ApiKey.objects.exists()


def test_names_are_shown_as_text(browser: Client) -> None:
    answer = browser.post(KEYS, form(name="<script>alert(1)</script>"))
    assert "<script>alert" not in answer.text
    assert "&lt;script&gt;alert" in browser.get(KEYS).text


def test_a_revoked_key_stays_in_the_list_and_in_the_log(browser: Client) -> None:
    browser.post(KEYS, form())
    key = ApiKey.objects.get()
    assert browser.post(reverse("revoke-key", args=[key.prefix])).status_code == 302
    key.refresh_from_db()
    assert key.revoked
    assert "revoked" in browser.get(KEYS).text
    acts = (
        AuditEntry.objects.filter(object_type="key")
        .order_by("pk")
        .values_list("action", "actor_name", "address")
    )
    assert list(acts) == [("create key", "ada", "127.0.0.1"), ("revoke key", "ada", "127.0.0.1")]


def test_somebody_else_s_key_is_neither_seen_nor_revoked(browser: Client) -> None:
    key, _ = create_key(user=User.objects.create_user("grace"), name="theirs", scopes=[Scope.CHAT])
    assert "theirs" not in browser.get(KEYS).text
    assert browser.post(reverse("revoke-key", args=[key.prefix])).status_code == 404
    key.refresh_from_db()
    assert not key.revoked


def test_keys_are_only_for_people_with_an_account(client: Client) -> None:
    for answer in (client.get(KEYS), client.post(KEYS, form()), client.post("/keys/abcdefgh/revoke/")):
        assert answer.status_code == 302
        assert answer.headers["Location"].startswith("/sign-in/")


def test_a_key_is_not_revoked_by_a_link(browser: Client) -> None:
    browser.post(KEYS, form())
    assert browser.get(reverse("revoke-key", args=[ApiKey.objects.get().prefix])).status_code == 405


def test_there_is_an_end_to_the_number_of_keys(browser: Client, ada: User, redis_server: redis.Redis) -> None:
    for number in range(50):
        create_key(user=ada, name=f"key {number}", scopes=[Scope.CHAT])
    answer = browser.post(KEYS, form())
    assert (answer.status_code, "Revoke one" in answer.text) == (422, True)
