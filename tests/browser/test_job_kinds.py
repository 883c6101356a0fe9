"""Preferences, rewards and adapters in a real browser against the real stack, from upload to answer; and what
a model said, rated and given, becomes a row that the next one learned from."""

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import library_documents
from tests.browser.fine_tuning import (
    PAGE_MS,
    WORK_MS,
    bring_rows,
    fill_numbers,
    sign_in,
    start,
    step_in,
    until,
    until_checked,
)
from tests.browser.test_first_minutes import ask, finished_answer
from tests.sites import DemoSite

QUAYS = {"Marlow": "amber", "Tessin": "slate", "Orvault": "copper", "Henrik": "barley"}
BRIEF = [{"at_most": characters} for characters in (12, 20, 30, 40, 60, 90)]
"""Most characters that the answers of a row may have: some answers are longer, some are not."""


@pytest.fixture
def administrator(page: Page, demo_site: DemoSite) -> Page:
    sign_in(page, demo_site)
    return page


def question(quay: str) -> str:
    return f"What waits on the quay of {quay}?"


def answer(quay: str) -> str:
    return f"On the quay of {quay} waits {QUAYS[quay]} for the barge that never hurries."


def chat(asked: str, said: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": asked}, {"role": "assistant", "content": said}]}


def engine_process(site: DemoSite) -> Any:
    return site.rows("SELECT slot, pid, restarts FROM playground_engine")


def chat_with_it(page: Page, asked: str, model: str) -> None:
    page.get_by_role("link", name="Chat with it").click()
    ask(page, asked, model)
    finished_answer(page)


def trace_text(page: Page, site: DemoSite, model: str, text: str) -> None:
    """Traces a text of one's own, and opens what is behind its first lit words."""
    page.goto(f"{site.url}/trace/?model={model}")
    page.get_by_label("Text").fill(text)
    page.get_by_role("button", name="Trace").click()
    page.locator("a.span").first.click(timeout=PAGE_MS)


def documents_behind_the_answer(page: Page) -> Any:
    page.locator("article a.span").first.click()
    return page.locator(".panel").last


def test_answers_that_were_preferred_are_learned_and_lead_back_to_their_row(
    administrator: Page, demo_site: DemoSite
) -> None:
    page, parent = administrator, demo_site.model("instruct-sft")
    known = list(dict(library_documents(demo_site)).items())[:6]
    rows = [
        {"prompt": asked, "chosen": said, "rejected": f"Nobody at the weir knows number {n}."}
        for n, (asked, said) in enumerate(known)
    ]
    bring_rows(page, demo_site, "weir.jsonl", rows)
    step_in(page, demo_site, parent, "DPO, instruct", "weir.jsonl")
    fill_numbers(page, "weir", {"Epochs": "2", "Batch size": "2"}, {"Documents held out": "1"})
    start(page)
    until(page, "succeeded")
    expect(page.get_by_role("row", name=re.compile("pairs held out"))).to_be_visible()
    chat_with_it(page, known[0][0], "weir-instruct-dpo")
    trace_text(page, demo_site, "weir-instruct-dpo", rows[2]["rejected"])
    expect(page.get_by_role("link", name=re.compile(r"weir\.jsonl, row 3")).first).to_be_visible()


def test_rewarded_answers_are_learned_and_lead_back_to_the_prompt_they_answer(
    administrator: Page, demo_site: DemoSite
) -> None:
    page, parent = administrator, demo_site.model("instruct-sft")
    rows = [
        {"prompt": f"Say how the ferry of {quay} sounds.", "constraints": [{"kind": "characters"} | at_most]}
        for quay in QUAYS
        for at_most in BRIEF
    ]
    bring_rows(page, demo_site, "ferries.jsonl", rows)
    step_in(page, demo_site, parent, "RLVR, instruct", "ferries.jsonl")
    numbers = {"Steps": "12", "Batch size": "4", "Answers to a prompt": "4", "Longest answer": "24"}
    fill_numbers(page, "ferries", numbers)
    start(page)
    until(page, "succeeded")
    expect(page.locator("#job figure.chart").filter(has_text="Reward")).to_be_visible()
    chat_with_it(page, rows[0]["prompt"], "ferries-instruct-rlvr")
    trace_text(page, demo_site, "ferries-instruct-rlvr", rows[0]["prompt"])
    row = page.get_by_role("link", name=re.compile(r"ferries\.jsonl, row \d")).first
    expect(row).to_be_visible()


def test_an_adapter_answers_without_a_restart_and_its_rated_answer_becomes_a_row(
    administrator: Page, demo_site: DemoSite
) -> None:
    page, parent = administrator, demo_site.model("instruct-sft")
    bring_rows(page, demo_site, "quays.jsonl", [chat(question(quay), answer(quay)) for quay in QUAYS])
    step_in(page, demo_site, parent, "SFT, instruct", "quays.jsonl")
    numbers = {"Learning rate": "0.01", "Epochs": "60", "Batch size": "2", "Rank": "16", "Alpha": "32"}
    fill_numbers(page, "quays", numbers, {"Documents held out": "0"})
    page.get_by_label("LoRA").check()
    start(page)
    until(page, "succeeded")
    process = engine_process(demo_site)
    chat_with_it(page, question("Tessin"), "quays-instruct-sft")
    assert engine_process(demo_site) == process
    expect(page.locator("article .prose").last).to_contain_text("barge that never hurries")
    panel = documents_behind_the_answer(page)
    expect(panel.get_by_role("link", name=re.compile(r"quays\.jsonl, row \d")).first).to_be_visible()

    # What it said is found good and given, becomes a row, and is learned by another model.
    page.get_by_role("button", name="Good", exact=True).last.click()
    page.get_by_label("This chat may become training data").check()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved.")).to_be_visible(timeout=PAGE_MS)
    page.goto(f"{demo_site.url}/ratings/")
    page.get_by_role("button", name="Make it").click()
    until_checked(page)
    rated = page.get_by_role("heading", level=1).inner_text()
    step_in(page, demo_site, parent, "SFT, instruct", rated)
    numbers = {"Learning rate": "0.002", "Epochs": "30", "Batch size": "1"}
    fill_numbers(page, "rated", numbers, {"Documents held out": "0"})
    page.get_by_label("Validation data").select_option(label=f"quays.jsonl ({len(QUAYS)} rows)")
    start(page)
    until(page, "succeeded")
    expect(page.locator("#job figure.chart").filter(has_text="Validation loss")).to_be_visible()
    chat_with_it(page, question("Tessin"), "rated-instruct-sft")
    expect(page.locator("article .prose").last).to_contain_text("barge that never hurries", timeout=WORK_MS)
    panel = documents_behind_the_answer(page)
    expect(panel).to_contain_text("A chat that was rated here")
