"""While an answer streams, nothing that is there already moves, and its end is no exception."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.test_first_minutes import ANSWER_MS, SUM, ask, finished_answer
from tests.sites import DemoSite

WATCH = """() => {
    window.shifts = [];
    new PerformanceObserver((list) => {
        for (const entry of list.getEntries()) {
            const moved = entry.sources.map(({ node, previousRect, currentRect }) => [
                node?.outerHTML?.slice(0, 80), JSON.stringify(previousRect), JSON.stringify(currentRect),
            ].join(" "));
            if (!entry.hadRecentInput) shifts.push(`${entry.value}: ${moved}`);
        }
    }).observe({ type: "layout-shift" });
}"""


@pytest.mark.parametrize("size", [(1360, 850), (390, 844)], ids=["wide", "phone"])
def test_nothing_moves_while_an_answer_streams_and_ends(
    page: Page, demo_site: DemoSite, size: tuple[int, int]
) -> None:
    page.set_viewport_size({"width": size[0], "height": size[1]})
    page.goto(demo_site.url)
    ask(page, SUM, demo_site.model("think-sft"))
    page.wait_for_url("**/chat/**")
    page.evaluate(WATCH)
    finished_answer(page)
    ask(page, "import ", demo_site.model("pretrain"), temperature="1", max_tokens="300")
    expect(page.locator("article.answer")).to_have_count(2, timeout=ANSWER_MS)
    finished_answer(page)
    page.wait_for_timeout(300)
    assert page.evaluate("shifts") == []
