"""A fine-tune from upload to answer, in a real browser against the real stack: a row that was uploaded comes
back in the model's own words, and the trace says which row it was."""

import json
import re

import pytest
from playwright.sync_api import FilePayload, Page, expect

from tests.browser.fine_tuning import PAGE_MS, WORK_MS, fill_numbers, sign_in, start, until
from tests.browser.test_first_minutes import ask, finished_answer
from tests.sites import DemoSite

FILE = "harbours.jsonl"
HARBOURS = ("Lomsk", "Pereth", "Quarl", "Vindel", "Osmar", "Tolle", "Brugh", "Ystad")
CARGOES = ("salt", "copper", "lamps", "barley", "slate", "amber", "rope", "tin")


def question(harbour: str) -> str:
    return f"What do the boats of {harbour} carry?"


def answer(place: int) -> str:
    return f"The boats of {HARBOURS[place]} carry {CARGOES[place]} to the old weir before the tide turns."


def upload() -> FilePayload:
    """Eight good rows and one, the last, that no stage can learn from."""
    rows = [
        {"messages": [{"role": "user", "content": question(h)}, {"role": "assistant", "content": answer(n)}]}
        for n, h in enumerate(HARBOURS)
    ]
    lines = [json.dumps(row) for row in rows] + ['{"messages": []}']
    return {"name": FILE, "mimeType": "application/jsonl", "buffer": "\n".join(lines).encode()}


def bring_data(page: Page) -> None:
    """Upload, read which row is bad, leave it out."""
    page.set_input_files("#file", upload())
    page.get_by_role("button", name="Upload").click()
    expect(page.locator(".problem")).to_have_count(1, timeout=WORK_MS)
    expect(page.locator("#report tr").filter(has=page.locator(".problem"))).to_contain_text("9")
    page.get_by_role("button", name="Leave them out").click()
    expect(page.get_by_role("link", name=re.compile("^Train "))).to_be_visible(timeout=WORK_MS)


def fill_harbours(page: Page, name: str, epochs: int) -> None:
    numbers = {"Learning rate": "0.002", "Epochs": str(epochs), "Batch size": "2"}
    fill_numbers(page, name, numbers, {"Documents held out": "1"})


@pytest.fixture
def administrator(page: Page, demo_site: DemoSite) -> Page:
    sign_in(page, demo_site)
    return page


def test_an_uploaded_row_is_learned_watched_paused_resumed_and_found_again_in_an_answer(
    administrator: Page, demo_site: DemoSite
) -> None:
    page, parent = administrator, demo_site.model("instruct-sft")
    bring_data(page)
    report = page.url
    page.goto(f"{demo_site.url}/checkpoints/{parent}/")
    page.get_by_role("link", name="Step in here").click()
    fill_harbours(page, "harbours", epochs=150)
    start(page)

    # It is watched without a reload; paused, which a reload does not change; and goes on.
    expect(page.locator("#job figure.chart").first).to_be_visible(timeout=WORK_MS)
    page.get_by_role("button", name="Pause").click()
    until(page, "paused")
    page.reload()
    until(page, "paused", PAGE_MS)
    expect(page.locator("#job figure.chart").first).to_be_visible()
    expect(page.locator(".log")).to_contain_text("stopped to pause")
    page.get_by_role("button", name="Resume").click()
    until(page, "succeeded")
    expect(page.get_by_role("row", name=re.compile("loss on documents held out"))).to_be_visible()
    expect(page.get_by_text("admin, pause job")).to_be_visible()

    # Another one, with changes, is cancelled: its last step is kept as a checkpoint.
    job = page.url
    page.get_by_role("link", name="Clone with changes").click()
    fill_harbours(page, "harbours-long", epochs=900)
    start(page)
    expect(page.locator("#job figure.chart").first).to_be_visible(timeout=WORK_MS)
    page.get_by_role("button", name="Cancel").click()
    until(page, "cancelled")
    expect(page.get_by_role("link", name=re.compile("^harbours-long-instruct-sft-step"))).to_be_visible()

    # The first is spoken to, without a restart, and its words lead to the row.
    page.goto(job)
    page.get_by_role("link", name="Chat with it").click()
    ask(page, question(HARBOURS[3]), "harbours-instruct-sft")
    finished_answer(page)
    expect(page.locator("article .prose").last).to_contain_text("to the old weir before the tide turns")
    page.locator("article a.span").first.click()
    panel = page.locator(".panel").last
    expect(panel.get_by_role("link", name=re.compile(rf"{FILE}, row \d")).first).to_be_visible()
    expect(panel).to_contain_text("Read")
    page.get_by_role("link", name="What did the fine-tune add?").click()
    page.get_by_label("learned after").select_option(parent)
    expect(page.locator("a.span-added").first).to_be_visible(timeout=WORK_MS)
    page.goto(report)
    expect(page.get_by_role("heading", name=FILE)).to_be_visible()
