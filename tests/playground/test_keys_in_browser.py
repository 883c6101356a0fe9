"""Keys, limits and usage in Chromium: a key is made, used up, seen in the usage and revoked; a chat that is
over its limit says so and keeps the text."""

import os
import re
import time
from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Page, expect

from accounts.limits.models import Audience, Limit, Period, Resource
from accounts.limits.rules import forget_rules
from accounts.limits.storage import counters
from accounts.models import User
from playground.supervisor import Supervisor
from tests.browser.conftest import chromium, page

__all__ = ["chromium", "page"]
PAGE_MS = 20_000
ASK = {"model": "tiny-one", "messages": [{"role": "user", "content": "Hello there"}], "max_tokens": 30}


@pytest.fixture(autouse=True, scope="module")
def database_beside_playwright() -> Iterator[None]:
    """Playwright keeps an event loop in this thread, in which Django would refuse to use the database."""
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
    yield
    del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@pytest.fixture(autouse=True)
def fresh_counters(redis_server: object) -> Iterator[None]:
    forget_rules()
    counters().reset()
    yield
    forget_rules()
    counters().reset()


@pytest.fixture
def signed_in(page: Page, web_server: str, ada: User) -> Page:
    page.goto(f"{web_server}/sign-in/?next=/keys/")
    page.get_by_label("Name").fill("ada")
    page.get_by_label("Password").fill("a long password")
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_role("heading", name="API keys", exact=True)).to_be_visible(timeout=PAGE_MS)
    return page


def ask(address: str, secret: str) -> httpx.Response:
    headers = {"Authorization": f"Bearer {secret}"}
    return httpx.post(
        f"{address}/v1/chat/completions", json=ASK, headers=headers, timeout=60, trust_env=False
    )


def test_a_key_is_made_used_up_counted_and_revoked(
    signed_in: Page, web_server: str, engines: Supervisor
) -> None:
    page = signed_in
    page.get_by_label("Name").fill("notebook")
    page.get_by_label("Tokens a day at most").fill("60")
    page.get_by_role("button", name="Make the key").click()
    secret = page.get_by_label("The key", exact=True).input_value(timeout=PAGE_MS)
    answers = [ask(web_server, secret).status_code for _ in range(3)]
    assert answers[0] == 200
    assert answers[-1] == 429
    page.goto(f"{web_server}/usage/?by=key")
    expect(page.get_by_role("row", name=re.compile("notebook")).first).to_be_visible(timeout=PAGE_MS)
    page.goto(f"{web_server}/keys/")
    assert secret not in page.content()
    expect(page.get_by_text("60 tokens a day")).to_be_visible()
    expect(page.get_by_text("last used")).to_be_visible()
    page.get_by_role("button", name="Revoke notebook").click()
    expect(page.get_by_text("· revoked")).to_be_visible(timeout=PAGE_MS)
    deadline = time.monotonic() + 20
    while ask(web_server, secret).status_code != 401:
        assert time.monotonic() < deadline
        time.sleep(0.5)


def test_a_chat_over_its_limit_says_so_and_keeps_the_text(
    signed_in: Page, web_server: str, checkpoints: object, ada: User
) -> None:
    Limit.objects.create(
        audience=Audience.PERSON, user=ada, resource=Resource.REQUESTS, amount=0, period=Period.DAY
    )
    forget_rules()
    page = signed_in
    page.goto(web_server)
    page.locator("#text").fill("Are you there?")
    page.locator("#text").press("Enter")
    toast = page.locator("#toast")
    expect(toast).to_have_text("You have no requests to use. Ask an administrator for some.", timeout=PAGE_MS)
    expect(page.locator("#text")).to_have_value("Are you there?")
    page.goto(f"{web_server}/usage/")
    expect(page.get_by_text("0 of 0")).to_be_visible()
