"""Steps that tests of fine-tunes in a browser share: sign in, bring rows, choose, start, watch."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from playwright.sync_api import Page, expect

from tests.sites import DemoSite

WORK_MS = 180_000
PAGE_MS = 20_000


def sign_in(page: Page, site: DemoSite) -> None:
    """As the administrator whose password the demo wrote into its terminal."""
    found = re.search(r"password[: ]+(\S+)", site.output.read_text())
    assert found, site.output.read_text()
    page.goto(f"{site.url}/sign-in/?next=/datasets/")
    page.get_by_label("Name").fill("admin")
    page.get_by_label("Password").fill(found[1])
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Data sets")).to_be_visible(timeout=PAGE_MS)


def bring_rows(page: Page, site: DemoSite, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Uploads rows, every one of which is good, and waits until they are checked."""
    page.goto(f"{site.url}/datasets/")
    data = "\n".join(map(json.dumps, rows)).encode()
    page.set_input_files("#file", {"name": name, "mimeType": "application/jsonl", "buffer": data})
    page.get_by_role("button", name="Upload").click()
    until_checked(page)


def until_checked(page: Page) -> None:
    expect(page.get_by_role("link", name=re.compile("^Train "))).to_be_visible(timeout=WORK_MS)


def step_in(page: Page, site: DemoSite, parent: str, stage: str, data: str) -> None:
    """From a checkpoint's page to the form, with the stage and the newest upload chosen."""
    page.goto(f"{site.url}/checkpoints/{parent}/")
    page.get_by_role("link", name="Step in here").click()
    page.get_by_label("Stage").select_option(label=stage)
    expect(page.get_by_role("heading", name=data)).to_be_visible(timeout=PAGE_MS)


def fill_numbers(
    page: Page, name: str, numbers: Mapping[str, str], details: Mapping[str, str] | None = None
) -> None:
    """The form's numbers by their labels, once the data is counted; few sums are asked in the end."""
    count = page.get_by_role("button", name="Count it")
    expect(count.or_(page.locator("#numbers"))).to_be_visible(timeout=WORK_MS)
    if count.is_visible():
        count.click()
        expect(page.locator("#numbers")).to_be_visible(timeout=WORK_MS)
    page.get_by_label("Name").fill(name)
    for label, value in numbers.items():
        page.get_by_label(label, exact=True).fill(value)
    page.get_by_text("More numbers").click()
    few = {"Held-out sums": "4", "Intermediate checkpoints": "0"}
    for label, value in {**few, **(details or {})}.items():
        page.get_by_label(label).fill(value)


def start(page: Page) -> None:
    expect(page.locator("#forecast")).to_contain_text("steps, about")
    page.get_by_role("button", name="Start", exact=True).click()
    expect(page.locator("#job")).to_be_visible(timeout=PAGE_MS)


def until(page: Page, name: str, timeout: int = WORK_MS) -> None:
    """Waits until the job is in that state, which the page must come to show by itself."""
    expect(page.locator(f'#job [data-state="{name}"]')).to_be_visible(timeout=timeout)
