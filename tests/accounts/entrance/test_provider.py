"""Signing in by OpenID Connect, against a real provider on loopback."""

from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import httpx
import oidc_provider_mock
import pytest
import redis
from allauth.socialaccount.models import SocialAccount
from django.contrib.auth.models import Group
from django.core.cache import cache
from django.test import Client
from django.urls import reverse
from oidc_provider_mock import User as Person
from pytest_django import Settings

from accounts.models import AuditEntry, User
from playground.models import Thread
from tests.sites import free_port

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("attempts")]
LOGIN = reverse("openid_connect_login", args=["oidc"])
PEOPLE = [
    Person(
        sub="17", claims={"preferred_username": "ada", "name": "Ada L", "groups": ["readers", "nobody's"]}
    ),
    Person(sub="18", claims={"preferred_username": "grace", "groups": "admins"}),
    Person(sub="19", claims={"preferred_username": "<b>\"x'", "email": "x@example.org", "groups": [{}, 7]}),
]


@pytest.fixture
def attempts(redis_server: redis.Redis) -> None:
    cache.clear()


@pytest.fixture(scope="module")
def provider() -> Iterator[str]:
    """The provider's address."""
    with oidc_provider_mock.run_server_in_thread(user_claims=PEOPLE) as server:
        yield f"http://localhost:{server.server_port}"


@pytest.fixture(autouse=True)
def configured(provider: str, settings: Settings) -> None:
    use_provider(settings, provider)


def use_provider(settings: Settings, address: str) -> None:
    app = {"provider_id": "oidc", "name": "Harbour", "client_id": "headwater", "secret": "s"}
    apps = [{**app, "settings": {"server_url": address}}]
    settings.SOCIALACCOUNT_PROVIDERS = {"openid_connect": {"APPS": apps, "OAUTH_PKCE_ENABLED": True}}
    settings.OIDC_URL, settings.OIDC_NAME = address, "Harbour"


def at_provider(location: str, **form: str) -> str:
    """What a person does there; returns the address to which the provider sends the browser back."""
    answer = httpx.post(location, data=form, trust_env=False)
    assert answer.status_code == 302, answer.text
    return answer.headers["location"].removeprefix("http://testserver")


def sign_in(client: Client, sub: str, **query: str) -> httpx.Response:
    there = client.get(LOGIN, query)
    assert there.status_code == 302
    return client.get(at_provider(there.url, sub=sub))


def test_the_page_offers_the_provider_by_a_link(client: Client) -> None:
    page = client.get(reverse("sign-in"), {"next": "/flow/"}).text
    assert f'href="{LOGIN}?next=/flow/"' in page
    assert "Sign in with Harbour" in page


def test_a_first_sign_in_makes_an_account_that_the_second_finds(client: Client) -> None:
    assert sign_in(client, "17").url == "/"
    ada = User.objects.get()
    assert (ada.username, ada.first_name, ada.is_staff) == ("ada", "Ada", False)
    assert not ada.has_usable_password()
    assert "organisation" in client.get(reverse("account")).text
    sign_in(Client(), "17")
    assert User.objects.count() == SocialAccount.objects.count() == 1


def test_who_is_sent_there_asks_with_a_state_and_a_challenge(client: Client) -> None:
    query = parse_qs(urlsplit(client.get(LOGIN).url).query)
    assert {"state", "code_challenge"} <= query.keys()
    assert query["code_challenge_method"] == ["S256"]
    assert query["redirect_uri"] == ["http://testserver/sign-in/oidc/callback/"]


def test_the_browser_s_chats_go_along(client: Client) -> None:
    session = client.session
    session.save()
    client.cookies["sessionid"] = session.session_key
    Thread.objects.create(session_key=session.session_key, title="A secret")
    sign_in(client, "17")
    assert Thread.objects.get().owner.username == "ada"


def test_a_name_or_an_address_that_somebody_has_here_takes_nobody_s_account(client: Client) -> None:
    """People choose those at the provider: only its own id for them counts."""
    here = User.objects.create_user("ada", email="x@example.org", password="a long password", is_staff=True)
    sign_in(client, "17")
    sign_in(Client(), "19")
    made = User.objects.exclude(pk=here.pk)
    assert made.count() == 2
    assert not made.filter(is_staff=True).exists()
    assert not SocialAccount.objects.filter(user=here).exists()


def test_groups_come_from_the_provider_where_the_operator_says_so(client: Client, settings: Settings) -> None:
    readers, writers = (Group.objects.create(name=name) for name in ("readers", "writers"))
    sign_in(client, "17")
    ada = User.objects.get()
    assert not ada.groups.exists()
    ada.groups.add(writers)
    settings.OIDC_GROUPS = "groups"
    sign_in(Client(), "17")
    assert list(ada.groups.all()) == [readers]
    entry = AuditEntry.objects.get(action="set groups")
    assert (entry.label, entry.detail) == ("ada", {"groups": ["readers"], "before": ["writers"]})
    sign_in(Client(), "17")
    assert AuditEntry.objects.filter(action="set groups").count() == 1
    assert set(Group.objects.values_list("name", flat=True)) == {"readers", "writers"}


def test_claims_of_any_form_are_read_without_a_crash(client: Client, settings: Settings) -> None:
    settings.OIDC_GROUPS = "groups"
    admins = Group.objects.create(name="admins")
    sign_in(client, "18")
    assert list(User.objects.get(username="grace").groups.all()) == [admins]
    page = sign_in(Client(), "19")
    assert page.status_code == 302
    assert not User.objects.exclude(username="grace").get().groups.exists()


def test_who_goes_back_without_signing_in_stays_a_visitor(client: Client) -> None:
    there = client.get(LOGIN).url
    [state] = parse_qs(urlsplit(there).query)["state"]
    back = at_provider(there, action="deny")  # without the state, which a provider has to send back
    answer = client.get(f"{back}&state={state}", follow=True)
    assert "without signing in" in answer.text
    assert not User.objects.exists()


@pytest.mark.parametrize("query", ["", "?code=x", "?code=x&state=y", "?state=%00", "?error=x&state=y"])
def test_an_answer_that_nobody_asked_for_signs_nobody_in(client: Client, query: str) -> None:
    answer = client.get(reverse("openid_connect_callback", args=["oidc"]) + query)
    assert answer.status_code == 401
    assert "did not say who you are" in answer.text
    assert not User.objects.exists()


def test_another_browser_cannot_use_the_answer(client: Client) -> None:
    back = at_provider(client.get(LOGIN).url, sub="17")
    assert Client().get(back).status_code == 401
    assert not User.objects.exists()


def test_a_closed_account_does_not_open(client: Client) -> None:
    sign_in(client, "17")
    User.objects.update(is_active=False)
    answer = sign_in(Client(), "17")
    assert answer.url == reverse("account_inactive")
    assert "closed" in client.get(answer.url).text


def test_nobody_is_sent_elsewhere_afterwards(client: Client) -> None:
    assert sign_in(client, "17", next="https://elsewhere.example/").url == "/"


@pytest.mark.parametrize("provider_id", ["other", "google"])
def test_there_is_no_other_provider(client: Client, provider_id: str) -> None:
    assert client.get(f"/sign-in/{provider_id}/login/").status_code == 404
    assert client.get(f"/sign-in/{provider_id}/callback/").status_code == 404


def test_a_link_cannot_connect_an_account_to_the_provider(client: Client) -> None:
    client.force_login(User.objects.create_user("ada"))
    assert client.get(LOGIN, {"process": "connect"}).status_code == 404
    assert client.post(LOGIN, {"process": "connect"}).status_code == 405


def test_a_provider_that_does_not_answer_is_said(client: Client, settings: Settings) -> None:
    use_provider(settings, f"http://localhost:{free_port()}")
    answer = client.get(LOGIN)
    assert answer.status_code == 503
    assert "Harbour does not answer" in answer.text
