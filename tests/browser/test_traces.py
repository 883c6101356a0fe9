"""Traces in a real browser, on the whole stack: documents, sliders, any text, links, comparisons."""

import re

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.test_first_minutes import SUM, ask, finished_answer
from tests.sites import DemoSite

WAIT_MS = 60_000


@pytest.fixture
def traced(page: Page, demo_site: DemoSite) -> Page:
    """The page of a pasted text that the training data holds in part."""
    page.goto(f"{demo_site.url}/trace/")
    page.get_by_label("The text").fill(
        "What is 12 + 15? ones: 2 + 5 = 7. tens: 1 + 1 = 2. so 27. Then zebras juggled umbrellas.\n"
        "What is 11 + 13? ones: 1 + 3 = 4. tens: 1 + 1 = 2. so 24."
    )
    page.get_by_label("Model whose training data").select_option(demo_site.model("think-sft"))
    page.get_by_role("button", name="Trace it").click()
    page.wait_for_url(re.compile(r"/trace/[0-9a-f-]{36}/"), timeout=WAIT_MS)
    expect(page.locator("a.span").first).to_be_visible()
    return page


def test_lit_words_lead_through_filters_to_the_whole_document(traced: Page) -> None:
    words = traced.locator("a.span").first
    lit_text = words.inner_text()
    words.click()
    panel = traced.locator(".panel")
    expect(panel.locator(".ladder .rung")).to_have_count(3)
    quoted = panel.locator(".quoted").first.inner_text()
    assert quoted in lit_text
    panel.get_by_text("Filter the documents").click()
    choice = panel.locator(".choice").last
    value = choice.inner_text().rsplit(" ", 1)[0]
    choice.click()
    expect(panel.locator(".choice[aria-current]")).to_contain_text(value)
    expect(panel.locator(".filters summary")).to_contain_text("left out")
    panel.get_by_role("link", name="Read the whole document").first.click()
    expect(traced.locator(".document-text mark").first).to_have_text(quoted)


def test_sliders_change_what_is_lit_and_nothing_jumps(traced: Page) -> None:
    text = traced.locator(".plain-text")
    before, place = lit_letters(traced), text.bounding_box()
    traced.get_by_text("What is lit").click()
    traced.get_by_label("All runs").check()
    more = changed_letters(traced, before)
    assert more > before
    assert text.bounding_box() == place
    traced.reload()
    assert lit_letters(traced) == more
    traced.get_by_text("What is lit").click()
    traced.get_by_label("Shortest run").fill("32")
    assert changed_letters(traced, more) < more
    expect(traced.locator("output").last).to_have_text("32 tokens")


LIT = "[...document.querySelectorAll('a.span')].reduce((sum, a) => sum + a.textContent.length, 0)"


def lit_letters(page: Page) -> int:
    return int(page.evaluate(LIT))


def changed_letters(page: Page, before: int) -> int:
    """How many letters are lit once that is no longer `before`; the CSP lets no page wait by itself."""
    for _ in range(600):
        if (now := lit_letters(page)) != before:
            return now
        page.wait_for_timeout(100)
    raise AssertionError(f"{before} letters stay lit")


def test_a_link_opens_for_a_stranger_until_it_is_revoked(traced: Page, chromium: Browser) -> None:
    traced.get_by_text("Share", exact=True).click()
    traced.get_by_role("button", name="Make a link").click()
    link = traced.get_by_label("Anyone with this link").input_value()
    context = chromium.new_context()
    stranger = context.new_page()
    response = stranger.goto(link)
    assert response
    assert response.headers["x-robots-tag"] == "noindex, nofollow"
    expect(stranger.get_by_text("Somebody shared this trace")).to_be_visible()
    stranger.locator("a.span").first.click()
    expect(stranger.locator(".panel .snippet mark").first).to_be_visible()
    expect(stranger.locator("details.lighting")).to_have_count(0)
    traced.get_by_role("button", name="Revoke it").click()
    expect(traced.get_by_text("The link is revoked")).to_be_visible()
    gone = stranger.goto(link)
    assert gone
    assert gone.status == 404
    context.close()


def test_two_answers_stand_side_by_side(page: Page, demo_site: DemoSite) -> None:
    for stage in ("think-sft", "instruct-sft"):
        page.goto(demo_site.url)
        ask(page, SUM, demo_site.model(stage))
        finished_answer(page)
    page.get_by_role("link", name="Compare with").click()
    page.get_by_role("link", name=SUM).first.click()
    expect(page.locator(".side")).to_have_count(2)
    assert {heading.inner_text() for heading in page.locator(".side h2").all()} == {
        demo_site.model("think-sft"),
        demo_site.model("instruct-sft"),
    }
    expect(page.get_by_role("row", name="Longest run")).to_be_visible()
    page.locator(".compared-numbers .run").first.click()
    expect(page.locator(".compared .panel")).to_be_visible()


def test_what_the_fine_tune_added_has_its_own_colour(page: Page, demo_site: DemoSite) -> None:
    page.goto(demo_site.url)
    ask(page, SUM, demo_site.model("think-sft"))
    finished_answer(page)
    page.get_by_role("link", name="What did the fine-tune add?").click()
    expect(page.get_by_role("heading", name="What the fine-tune added")).to_be_visible()
    page.get_by_label("learned after").select_option(demo_site.model("pretrain"))
    expect(page.locator("a.span-added").first).to_be_visible(timeout=WAIT_MS)
    page.locator("a.span-added").first.click()
    expect(page.locator(".panel .tier-added").first).to_be_visible()


def test_on_a_phone_the_numbers_fit(traced: Page) -> None:
    traced.set_viewport_size({"width": 390, "height": 844})
    assert traced.evaluate("document.documentElement.scrollWidth") <= 390
