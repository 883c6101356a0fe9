"""Models in a real browser: the graph by keyboard, two compared, two asked the same thing."""

import re

from playwright.sync_api import Page, expect

from tests.browser.test_first_minutes import SUM
from tests.sites import DemoSite

WAIT_MS = 120_000


def test_the_graph_leads_by_keyboard_to_a_checkpoint_and_from_there_to_a_chat(
    page: Page, demo_site: DemoSite
) -> None:
    name = demo_site.model("think-sft")
    page.goto(f"{demo_site.url}/lineage/")
    page.locator(f".lineage-wide a[href='/checkpoints/{name}/']").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name=name, exact=True)).to_be_visible()
    page.get_by_role("button", name="Show").first.click()
    expect(page.get_by_role("heading", name=re.compile(r"What step \d+ trained on"))).to_be_visible()
    expect(page.locator(".document .snippet").first).not_to_be_empty()
    page.go_back()
    page.get_by_role("link", name="Chat with it").click()
    expect(page.get_by_label("Model", exact=True)).to_have_value(name)


def test_on_a_phone_the_graph_turns_and_nothing_is_wider_than_the_page(
    page: Page, demo_site: DemoSite
) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    name = demo_site.model("think-sft")
    for path in ("/lineage/", "/checkpoints/", f"/checkpoints/{name}/", "/compare/"):
        page.goto(demo_site.url + path)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, path
    page.goto(f"{demo_site.url}/lineage/")
    expect(page.locator(".lineage-wide")).to_be_hidden()
    page.locator(f".lineage-narrow a[href='/checkpoints/{name}/']").click()
    expect(page.get_by_role("heading", name=name, exact=True)).to_be_visible()


def test_a_checkpoint_is_compared_with_its_parent(page: Page, demo_site: DemoSite) -> None:
    page.goto(f"{demo_site.url}/checkpoints/{demo_site.model('think-sft')}/")
    page.get_by_role("link", name="Compare with its parent").click()
    expect(page.get_by_role("heading", name="What is different")).to_be_visible()
    expect(page.get_by_role("row", name=re.compile("^stage"))).to_contain_text("think-sft")
    expect(page.get_by_role("heading", name="Loss")).to_be_visible()


def test_two_models_answer_beside_each_other_and_a_reload_loses_nothing(
    page: Page, demo_site: DemoSite
) -> None:
    names = [demo_site.model("think-sft"), demo_site.model("instruct-sft")]
    page.goto(f"{demo_site.url}/compare/?a={names[0]}&b={names[1]}")
    page.get_by_label("Your message to all").fill(SUM)
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"/compare/[0-9a-f-]{36}/"))
    page.reload()
    expect(page.locator(".prompt")).to_have_text(SUM)
    expect(page.locator(".beside .answer-complete")).to_have_count(2, timeout=WAIT_MS)
    assert page.locator(".beside .model").all_inner_texts() == names
    page.get_by_role("link", name="Compare their traces").click(timeout=WAIT_MS)
    expect(page.get_by_role("heading", name="Two traces side by side")).to_be_visible()
    expect(page.locator(".side")).to_have_count(2)
