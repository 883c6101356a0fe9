"""The pages for what is not there, not allowed or broken: they say what, and lead back."""

from uuid import uuid4

import pytest
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.test import Client, RequestFactory
from django.urls import reverse
from django.views.defaults import server_error
from pytest_django import DjangoAssertNumQueries

from accounts.models import User

pytestmark = pytest.mark.django_db


@pytest.fixture
def reader(client: Client) -> Client:
    client.force_login(User.objects.create_user("ada", password="a long password"))
    return client


def test_an_address_that_does_not_exist_leads_back_to_the_chat(reader: Client) -> None:
    answer = reader.get("/nonsense/")
    page = answer.content.decode()
    assert answer.status_code == 404
    assert "There is nothing here" in page
    assert "belongs to somebody else" in page
    assert "Resolver404" not in page


def test_a_link_that_was_revoked_says_so(client: Client) -> None:
    answer = client.get("/shared/chats/nothing-of-this-kind/")
    assert answer.status_code == 404
    assert "This link leads nowhere" in answer.content.decode()


def test_a_failed_look_up_says_nothing_of_tables(reader: Client) -> None:
    answer = reader.get(reverse("thread", args=[uuid4()]))
    assert answer.status_code == 404
    assert "matches the given query" not in answer.content.decode()


def test_a_form_without_its_token_says_what_to_do() -> None:
    answer = Client(enforce_csrf_checks=True).post("/sign-in/", {"username": "ada", "password": "x"})
    assert answer.status_code == 403
    assert "Go back, reload the page" in answer.content.decode()


def test_a_fault_is_told_without_asking_the_database(
    rf: RequestFactory, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    request: HttpRequest = rf.get("/")
    with django_assert_num_queries(0):
        answer = server_error(request)
    assert answer.status_code == 500
    assert "Something broke" in answer.content.decode()


def test_a_refusal_shows_its_reason() -> None:
    page = render_to_string("403.html", {"exception": "Ask an administrator."})
    assert "Ask an administrator." in page
