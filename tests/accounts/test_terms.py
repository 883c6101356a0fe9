"""Nobody goes on before they accept the terms in force; each version stays what was accepted."""

from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError
from django.db.models import ProtectedError
from django.test import AsyncClient, Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import Scope, Terms, TermsAcceptance, User
from accounts.services import create_key

pytestmark = pytest.mark.django_db


def publish(text: str = "Be kind.", days: float = -1, **fields: str) -> Terms:
    return Terms.objects.create(text=text, published_at=timezone.now() + timedelta(days=days), **fields)


def accept(client: Client, terms: Terms, **fields: str) -> object:
    return client.post(reverse("terms"), {"version": terms.version, **fields})


@pytest.fixture
def ada() -> User:
    return User.objects.create_user("ada")


def test_a_site_without_terms_asks_nobody(client: Client) -> None:
    Terms.objects.create(text="A draft.")
    publish(days=1)
    assert client.get("/").status_code == 200
    assert client.get(reverse("terms")).status_code == 404


def test_visitors_accept_once_and_go_on_where_they_were(client: Client) -> None:
    terms = publish()
    sent = client.get("/flow/?x=1")
    assert sent.url == "/terms/?next=%2Fflow%2F%3Fx%3D1"
    page = client.get(sent.url).text
    assert "Be kind." in page
    assert "Accept and go on" in page
    assert accept(client, terms, next="/flow/?x=1").url == "/flow/?x=1"
    assert client.get("/").status_code == 200
    assert "Accept and go on" not in client.get(reverse("terms")).text


def test_what_one_accepts_another_has_not_accepted(client: Client, ada: User) -> None:
    accept(client, publish())
    assert Client().get("/").status_code == 302
    other = Client()
    other.force_login(ada)
    assert other.get("/").status_code == 302


def test_nothing_is_done_before_the_terms_are_accepted(client: Client) -> None:
    publish()
    assert client.post("/chat/", {"text": "Hello"}).url == "/terms/"
    answer = client.post("/chat/", {"text": "Hello"}, headers={"HX-Request": "true"})
    assert (answer.headers["HX-Redirect"], answer.content) == ("/terms/", b"")


async def test_pages_written_for_many_readers_ask_too(transactional_db: None) -> None:
    from asgiref.sync import sync_to_async

    await sync_to_async(publish)()
    answer = await AsyncClient().get("/trace/")
    assert answer.url == "/terms/?next=%2Ftrace%2F"


@pytest.mark.parametrize("address", ["/sign-in/", "/health", "/terms/", "/admin/login/"])
def test_what_has_to_work_without_the_terms_does(client: Client, address: str) -> None:
    publish()
    assert "/terms/" not in client.get(address).headers.get("Location", "")


def test_a_new_version_asks_again_and_says_what_is_new(client: Client) -> None:
    accept(client, publish())
    new = publish("Be kinder.", changes="Kindness.")
    assert client.get("/").status_code == 302
    page = client.get("/terms/").text
    assert "Be kinder." in page
    assert "Kindness." in page
    assert "Be kind." in client.get("/terms/1/").text
    accept(client, new)
    assert client.get("/").status_code == 200


def test_a_version_that_was_not_read_is_not_accepted(client: Client) -> None:
    """Published while the one before was being read."""
    old = publish()
    publish("Be kinder.")
    answer = accept(client, old)
    assert answer.status_code == 422
    assert "Be kinder." in answer.text
    assert not TermsAcceptance.objects.exists()


@pytest.mark.parametrize("version", ["", "NaN", "1e9", "-1", "\0", "<script>"])
def test_odd_versions_accept_nothing(client: Client, version: str) -> None:
    publish()
    assert client.post("/terms/", {"version": version}).status_code == 422
    assert not TermsAcceptance.objects.exists()


@pytest.mark.parametrize("address", ["https://elsewhere.example/", "//elsewhere.example", "javascript:x"])
def test_nobody_is_sent_elsewhere_after_accepting(client: Client, address: str) -> None:
    assert accept(client, publish(), next=address).url == "/"


@pytest.mark.django_db(transaction=True)
def test_programs_wait_until_their_person_accepts(client: Client, ada: User) -> None:
    terms = publish()
    _, secret = create_key(user=ada, name="terms", scopes=[Scope.CHAT])
    headers = {"Authorization": f"Bearer {secret}"}
    refused = client.get("/v1/models", headers=headers)
    assert refused.status_code == 403
    assert "/terms/" in refused.json()["error"]["message"]
    client.force_login(ada)
    accept(client, terms)
    assert Client().get("/v1/models", headers=headers).status_code == 200


def test_a_published_version_keeps_its_text_and_drafts_are_numbered(ada: User) -> None:
    terms = publish()
    terms.text = "Anything goes."
    with pytest.raises(ValidationError, match="write a new one"):
        terms.full_clean()
    draft = Terms.objects.create(text="Later.")
    draft.text = "Later still."
    draft.full_clean()
    assert (terms.version, draft.version) == (1, 2)
    TermsAcceptance.objects.create(terms=terms, owner=ada)
    with pytest.raises(ProtectedError):
        terms.delete()


def test_drafts_are_nobody_s_to_read(client: Client) -> None:
    publish()
    Terms.objects.create(text="A secret draft.")
    assert client.get("/terms/2/").status_code == 404


def test_an_administrator_s_markdown_can_do_nothing_but_be_read(client: Client) -> None:
    publish("# Hello\n\n<script>alert(1)</script>\n\n[x](javascript:alert(1)) <img src=x onerror=alert(1)>")
    page = client.get("/terms/").text
    assert "<h2>Hello</h2>" in page
    assert "<script>alert" not in page
    assert 'href="javascript' not in page
    assert "<img src=x" not in page
