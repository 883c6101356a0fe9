"""A person offers functions in the composer, a real engine calls them, and the chat goes on: in Chromium."""

import asyncio
import re
from collections.abc import Callable

import pytest
from django.test import Client
from playwright.sync_api import Page, expect, sync_playwright

from accounts.models import User
from playground.database import in_database
from playground.models import CallRecord, Message, ToolServer
from playground.supervisor import Supervisor
from tests.browser.conftest import CHROMIUM, FLAGS
from tests.playground.conftest import until
from tests.playground.tool_models import make_caller
from training.models import Checkpoint

pytestmark = pytest.mark.usefixtures("redis_server")
TIMEOUT_MS = 60_000
TAKES = '{"type": "object", "properties": {"a": {"enum": [1]}}, "required": ["a"]}'
OWN = f'[{{"name": "add", "parameters": {TAKES}}}]'
RIVER = {"type": "object", "properties": {"river": {"enum": ["Aare"]}}, "required": ["river"]}


def in_chromium(address: str, session: str, steps: Callable[[Page], None]) -> None:
    """The steps in a browser of this thread's own: the test's own thread has an event loop already."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        context = browser.new_context(base_url=address)
        context.add_cookies([{"name": "sessionid", "value": session, "url": address}])
        page = context.new_page()
        page.set_default_timeout(TIMEOUT_MS)
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        steps(page)
        browser.close()
        assert not errors


@pytest.fixture
async def session(ada: User) -> str:
    browser = Client()
    await in_database(browser.force_login, ada)
    return browser.cookies["sessionid"].value


def send(page: Page, *, own: str = "", server: str = "") -> None:
    page.goto("/?model=tiny-caller")
    page.locator("#settings > summary").click()
    if own:
        page.get_by_label("Your own, as JSON").fill(own)
    if server:
        page.get_by_label(re.compile(server)).check()
    page.get_by_label("The model calls one").select_option("required")
    page.get_by_label("Longest answer").fill("400")
    page.locator("#settings > summary").click()
    page.get_by_label("Your message").fill("How high is the Aare?")
    page.get_by_role("button", name="Send").click()


async def test_a_persons_own_function_gets_its_result_from_them(
    engines: Supervisor, checkpoints: dict[str, Checkpoint], web_server: str, session: str
) -> None:
    await make_caller(checkpoints["tiny-one"])

    def steps(page: Page) -> None:
        send(page, own=OWN)
        results = page.get_by_label("What add gives")
        expect(results.first).to_be_visible(timeout=TIMEOUT_MS)
        while count := results.count():
            results.first.fill("2")
            page.get_by_role("button", name="Give this result").first.click()
            expect(results).to_have_count(count - 1, timeout=TIMEOUT_MS)
        expect(page.locator("article.answer")).to_have_count(2, timeout=TIMEOUT_MS)

    await asyncio.to_thread(in_chromium, web_server, session, steps)
    calls = await in_database(lambda: list(CallRecord.objects.values_list("function", "arguments", "result")))
    assert set(map(str, calls)) == {str(("add", {"a": 1}, "2"))}
    await until(lambda: not Message.objects.filter(state="writing").exists(), timeout_s=60)


async def test_a_servers_function_runs_when_it_is_approved(
    engines: Supervisor,
    checkpoints: dict[str, Checkpoint],
    web_server: str,
    session: str,
    mcp_address: str,
) -> None:
    await make_caller(checkpoints["tiny-one"])
    function = {"name": "gauges.level", "parameters": RIVER}
    functions = [{"type": "function", "function": function}]
    await in_database(
        lambda: ToolServer.objects.create(name="gauges", address=mcp_address, functions=functions)
    )

    def steps(page: Page) -> None:
        send(page, server="gauges")
        expect(page.get_by_text("gauges would run this.").first).to_be_visible(timeout=TIMEOUT_MS)
        approving = page.get_by_role("button", name="Approve", exact=True)
        while count := approving.count():
            approving.first.click()
            expect(approving).to_have_count(count - 1, timeout=TIMEOUT_MS)
        expect(page.locator("article.answer")).to_have_count(2, timeout=TIMEOUT_MS)
        page.locator(".call summary").first.click()
        expect(page.get_by_text("The Aare stands at 2.4 m. <script>").first).to_be_visible()

    await asyncio.to_thread(in_chromium, web_server, session, steps)
    states = await in_database(lambda: set(CallRecord.objects.values_list("state", flat=True)))
    assert states == {"done"}
    await until(lambda: not Message.objects.filter(state="writing").exists(), timeout_s=60)


async def test_a_model_that_cannot_call_offers_no_functions(
    engines: Supervisor, checkpoints: dict[str, Checkpoint], web_server: str, session: str
) -> None:
    def steps(page: Page) -> None:
        page.goto("/?model=tiny-one")
        page.locator("#settings > summary").click()
        expect(page.get_by_label("System prompt")).to_be_visible()
        expect(page.get_by_label("Your own, as JSON")).to_have_count(0)

    await asyncio.to_thread(in_chromium, web_server, session, steps)
