"""Pages that join, leave and come back to an answer while a real engine writes it, and stop it from afar.

The engine is made to stand still in mid-answer, so that pages can be looked at while nothing changes.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from html import unescape
from uuid import UUID

import psutil
import pytest
from playwright.sync_api import Browser, Page, expect

from playground.core.markdown import render_blocks
from tests.browser.cuttable import wire_to
from tests.browser.test_fine_tune import sign_in
from tests.browser.test_first_minutes import ANSWER_MS, ask, letters
from tests.sites import DemoSite

TAG = re.compile(r"<[^>]*>")
STREAM = rb"GET /messages/[0-9a-f-]+/stream/"
REJOINED = re.compile(STREAM + rb"(?:\?after=|[^\n]*\n(?:[^\n]+\n)*?last-event-id: )\d+-\d", re.IGNORECASE)
STILL_MS = 700
SAYS = """(words) => {
    const shown = [...document.querySelectorAll("article .prose")].at(-1)?.textContent;
    return shown?.replace(/\\s+/g, "") === words;
}"""


def engines_of(site: DemoSite) -> set[psutil.Process]:
    engines = [process for process in site.processes() if "--served-name" in process.cmdline()]
    assert engines
    return {process for engine in engines for process in (engine, *engine.children(recursive=True))}


@contextmanager
def standing_still(processes: set[psutil.Process]) -> Iterator[None]:
    """Pause processes; engines for less time than their supervisor would think them sick after."""
    for process in processes:
        process.suspend()
    try:
        yield
    finally:
        for process in processes:
            process.resume()


@contextmanager
def half_an_answer(page: Page, site: DemoSite, address: str) -> Iterator[str]:
    """The page shows an answer that stands still in its middle; gives the words that are there."""
    for _ in range(10):  # some end sooner than one can look
        page.goto(address)
        engines = engines_of(site)
        ask(page, "import ", site.model("pretrain"), temperature="1", max_tokens="400")
        page.wait_for_function(
            "() => document.querySelector('article .prose')?.textContent", timeout=ANSWER_MS
        )
        with standing_still(engines):
            page.wait_for_timeout(STILL_MS)
            if page.locator("article.answer-writing").count():
                yield words_of(page)
                return
    raise AssertionError("ten answers in a row ended at once")


def words_of(page: Page) -> str:
    return letters(page.locator("article .prose").last.text_content() or "")


def shows(page: Page, words: str) -> None:
    """The page comes to show exactly these words."""
    page.wait_for_function(SAYS, arg=words, timeout=ANSWER_MS)


def stored(site: DemoSite, page: Page) -> str:
    """The words of the answer in the site's database."""
    pk = UUID((page.locator("article.answer").last.get_attribute("id") or "").removeprefix("message-"))
    [[text]] = site.rows("SELECT raw_text FROM playground_message WHERE id = ?", pk.hex)
    return letters(unescape(re.sub(TAG, "", "".join(render_blocks(text)))))


def ended(page: Page, how: str) -> None:
    expect(page.locator("article.answer").last).to_have_class(re.compile(f"answer-{how}"), timeout=ANSWER_MS)


@pytest.fixture
def elsewhere(chromium: Browser, demo_site: DemoSite) -> Iterator[Page]:
    """A page of another browser, signed in to the same account as `page`."""
    context = chromium.new_context(viewport={"width": 390, "height": 844})
    page = context.new_page()
    sign_in(page, demo_site)
    yield page
    context.close()


def test_every_page_that_joins_in_mid_answer_shows_what_there_is_and_in_the_end_what_is_stored(
    page: Page, elsewhere: Page, demo_site: DemoSite
) -> None:
    sign_in(page, demo_site)
    tab = page.context.new_page()
    with half_an_answer(page, demo_site, demo_site.url) as words:
        page.reload()
        for each in (tab, elsewhere):
            each.goto(page.url)
        for each in (page, tab, elsewhere):
            shows(each, words)
    pages = (page, tab, elsewhere)
    for each in pages:
        ended(each, "complete")
    whole = stored(demo_site, page)
    assert whole.startswith(words)
    assert [words_of(each) for each in pages] == [whole] * 3


def test_stop_in_another_browser_ends_the_answer_in_both_with_the_same_words(
    page: Page, elsewhere: Page, demo_site: DemoSite
) -> None:
    sign_in(page, demo_site)
    with half_an_answer(page, demo_site, demo_site.url) as words:
        elsewhere.goto(page.url)
        shows(elsewhere, words)
        elsewhere.get_by_role("button", name="Stop").click()
        for each in (page, elsewhere):
            ended(each, "stopped")
            expect(each.locator("article.answer").last).to_contain_text("You stopped this answer")
            shows(each, words)
        assert stored(demo_site, page) == words


def test_a_page_whose_connection_broke_goes_on_from_the_last_event_that_it_had(
    chromium: Browser, demo_site: DemoSite
) -> None:
    page = chromium.new_context().new_page()  # a broken connection is an error in its console
    with wire_to(demo_site.port) as wire:
        with half_an_answer(page, demo_site, wire.url) as words:
            block = page.locator("article .prose .block").first
            block.evaluate("(block) => { block.wasHereBefore = true; }")
            before = len(wire.sent)
            wire.cut()
            for _ in range(200):
                if REJOINED.search(wire.sent[before:]):
                    break
                page.wait_for_timeout(50)
            assert REJOINED.search(wire.sent[before:]), wire.sent[before:]
            shows(page, words)
            assert block.evaluate("(block) => block.wasHereBefore")
        ended(page, "complete")
        assert words_of(page) == stored(demo_site, page)
