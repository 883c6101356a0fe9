"""Every page that visitors meet can be used with a screen reader and by keyboard."""

from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.browser.test_first_minutes import SUM, ask, finished_answer
from tests.sites import DemoSite

PAGES = ["/", "/compare/", "/chats/", "/shares/", "/presets/", "/trace/", "/flow/", "/checkpoints/"]
PAGES += ["/search/", "/lineage/", "/evaluations/", "/sign-in/"]
SERIOUS = {"serious", "critical"}


def serious(page: Page) -> list[tuple[str, Any]]:
    """Rules that are broken, each with where."""
    found = Axe().run(page).response["violations"]
    return [
        (rule["id"], [node["target"] for node in rule["nodes"]][:4])
        for rule in found
        if rule["impact"] in SERIOUS
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_has_a_serious_fault_for_those_who_cannot_see_it_well(
    chromium: Browser, demo_site: DemoSite, scheme: Any
) -> None:
    context = chromium.new_context(viewport={"width": 1360, "height": 850}, color_scheme=scheme)
    page = context.new_page()
    faults = {}
    for path in PAGES:
        page.goto(demo_site.url + path)
        faults[path] = serious(page)
    context.close()
    assert not {path: found for path, found in faults.items() if found}


def test_a_traced_answer_has_none_either_and_is_reached_by_keyboard(page: Page, demo_site: DemoSite) -> None:
    page.goto(demo_site.url)
    ask(page, SUM, demo_site.model("think-sft"))
    finished_answer(page)
    page.locator("article > .prose a.span").first.focus()  # thinking is closed
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="In the training data")).to_be_visible()
    assert serious(page) == []
    page.keyboard.press("Escape")
    expect(page.get_by_role("heading", name="In the training data")).to_have_count(0)


def test_a_phone_shows_the_top_of_the_page_first(chromium: Browser, demo_site: DemoSite) -> None:
    context = chromium.new_context(viewport={"width": 390, "height": 800}, has_touch=True, is_mobile=True)
    page = context.new_page()
    page.goto(demo_site.url)
    assert page.evaluate("scrollY") == 0
    expect(page.get_by_role("link", name="Headwater")).to_be_in_viewport()
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    context.close()
