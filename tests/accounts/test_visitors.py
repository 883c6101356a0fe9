"""Browsers without an account: theirs until they stay away for too long."""

from datetime import timedelta

import pytest
from django.apps import apps
from django.conf import settings
from django.contrib.sessions.models import Session
from django.db import models
from django.test import Client
from django.utils import timezone

from accounts.models import User
from accounts.owners import Owner, owned_models
from accounts.visitors.forgetting import AT_ONCE, forget_visitors
from accounts.visitors.middleware import SEEN
from playground.models import Thread
from tracing.kept import keep_trace
from tracing.models import KeptTrace

pytestmark = pytest.mark.django_db
TRACE = {"text": "words", "model": "m", "spans": [], "documents": []}


@pytest.fixture
def visitor(client: Client) -> Client:
    session = client.session
    session.save()
    client.cookies["sessionid"] = session.session_key
    return client


def key_of(client: Client) -> str:
    return client.cookies["sessionid"].value


def let_days_pass(key: str, days: float) -> None:
    row = Session.objects.get(session_key=key)
    row.expire_date -= timedelta(days=days)
    row.save()


def test_all_that_a_browser_can_own_is_known() -> None:
    assert {Thread, KeptTrace} <= set(owned_models())


def test_what_a_browser_made_is_deleted_once_its_session_has_ended(visitor: Client) -> None:
    Thread.objects.create(session_key=key_of(visitor), title="Chat")
    keep_trace(owner=Owner(None, key_of(visitor)), trace=TRACE)
    assert forget_visitors() == 0
    let_days_pass(key_of(visitor), settings.SESSION_COOKIE_AGE / 86400 + 1)
    assert forget_visitors() == 2
    assert not Thread.objects.exists()
    assert not KeptTrace.objects.exists()
    assert not Session.objects.exists()


def test_what_people_with_accounts_made_stays(visitor: Client) -> None:
    ada = User.objects.create_user("ada")
    kept = Thread.objects.create(owner=ada, title="Ada's")
    Thread.objects.create(session_key="gone", title="Nobody's")
    assert forget_visitors() == 1
    assert Thread.objects.get() == kept


def test_more_rows_than_are_deleted_at_once_all_go() -> None:
    threads = [Thread(session_key=f"gone-{n}", title="x") for n in range(AT_ONCE + 5)]
    Thread.objects.bulk_create(threads)
    assert forget_visitors() == AT_ONCE + 5
    assert not Thread.objects.exists()


def test_a_visit_renews_the_session_once_a_day(visitor: Client) -> None:
    visitor.get("/")
    first = Session.objects.get().expire_date
    visitor.get("/")
    assert Session.objects.get().expire_date == first  # not written again today
    session = visitor.session
    session[SEEN] = "2020-01-01"
    session.save()
    let_days_pass(key_of(visitor), 20)
    visitor.get("/")
    assert Session.objects.get().expire_date > timezone.now() + timedelta(
        seconds=settings.SESSION_COOKIE_AGE - 60
    )


def test_who_only_looks_gets_no_session(client: Client) -> None:
    client.get("/")
    client.get("/health")
    assert not Session.objects.exists()


async def test_a_visit_to_an_async_page_renews_the_session_too(transactional_db: None) -> None:
    from asgiref.sync import sync_to_async
    from django.test import AsyncClient

    browser = AsyncClient()
    session = await browser.asession()
    await session.asave()
    await browser.get("/trace/")
    kept = await sync_to_async(Session.objects.get)()
    assert SEEN in kept.get_decoded()


def test_whatever_belongs_to_a_browser_can_be_carried_over_and_forgotten() -> None:
    """Both go by `owner` and `session_key`, and a rule of one thing a person would stop their sign-in."""
    for model in apps.get_models():
        names = {field.name for field in model._meta.fields}
        if "session_key" in names and model is not Session:
            assert model in owned_models(), f"{model}: call the person `owner`"
            unique = [
                *model._meta.unique_together,
                *(c.fields for c in model._meta.constraints if is_unique(c)),
            ]
            assert not any("owner" in fields for fields in unique), f"{model}: a visitor may have the same"


def is_unique(constraint: models.BaseConstraint) -> bool:
    return isinstance(constraint, models.UniqueConstraint)


def test_a_newcomer_has_one_session_for_all_that_leaves_one_page_and_nobody_else_gets_it(
    client: Client,
) -> None:
    client.get("/")
    assert not Session.objects.exists()
    presses = [Client() for _ in range(2)]
    for press in presses:
        press.cookies["newcomer"] = client.cookies["newcomer"].value
        press.get("/shares/")
    assert key_of(presses[0]) == key_of(presses[1]) == Session.objects.get().session_key
    forger = Client()
    forger.cookies["newcomer"] = client.cookies["newcomer"].value[:-1] + "x"
    forger.get("/shares/")
    assert key_of(forger) != key_of(presses[0])
