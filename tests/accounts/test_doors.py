"""Where visitors are not let in: who is asked to sign in, and what works all the same."""

import pytest
from django.test import AsyncClient, Client
from pytest_django import Settings

from accounts.models import Scope, User
from accounts.services import create_key

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def closed(settings: Settings) -> None:
    settings.ANONYMOUS_CHAT = False


def test_visitors_are_asked_to_sign_in_and_come_back(client: Client) -> None:
    assert client.get("/flow/?x=1").url == "/sign-in/?next=%2Fflow%2F%3Fx%3D1"
    assert client.post("/chat/", {"text": "Hello"}).url == "/sign-in/"
    part = client.get("/flow/banner/", headers={"HX-Request": "true"})
    assert (part.headers["HX-Redirect"], part.content) == ("/sign-in/", b"")
    client.force_login(User.objects.create_user("ada"))
    assert client.get("/").status_code == 200


async def test_pages_written_for_many_readers_ask_too(transactional_db: None) -> None:
    assert (await AsyncClient().get("/trace/")).url == "/sign-in/?next=%2Ftrace%2F"


@pytest.mark.parametrize("address", ["/health", "/ready", "/sign-in/", "/sign-up/"])
def test_what_has_to_work_for_everybody_does(client: Client, address: str) -> None:
    assert "Location" not in client.get(address).headers


@pytest.mark.django_db(transaction=True)
def test_programs_come_in_by_their_keys_alone(client: Client) -> None:
    assert client.get("/v1/models").status_code == 401
    _, secret = create_key(user=User.objects.create_user("ada"), name="doors", scopes=[Scope.CHAT])
    assert client.get("/v1/models", headers={"Authorization": f"Bearer {secret}"}).status_code == 200
    assert client.get("/api/search/").status_code in {401, 403}
