"""Chromium, as a person sees a chat branch and keeps a history, with a real engine behind it."""

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.sites import DemoSite

ANSWER_MS = 60_000
LABEL = "Your message"


@pytest.fixture
def chat(page: Page, demo_site: DemoSite) -> Page:
    """A visitor's chat with one answer."""
    page.goto(demo_site.url)
    page.get_by_label("Model", exact=True).select_option(demo_site.model("instruct-sft"))
    page.get_by_text("Settings").click()
    page.get_by_label("Longest answer, in tokens").fill("8")
    page.get_by_label("Temperature").fill("1")
    page.get_by_text("Settings").click()
    page.get_by_label(LABEL, exact=True).fill("First words")
    page.get_by_label(LABEL, exact=True).press("Enter")
    page.wait_for_url("**/chat/**")
    answered(page, 1)
    return page


def answered(page: Page, answers: int) -> None:
    """The page shows so many answers, and the last has ended."""
    expect(page.locator("article.answer")).to_have_count(answers, timeout=ANSWER_MS)
    expect(page.locator("article.answer").last).to_have_class(
        re.compile("answer-complete"), timeout=ANSWER_MS
    )


def import_chat(page: Page, home: str, name: str, content: bytes) -> None:
    """Hand the file to "Import a chat", and be led to the chat in it."""
    page.goto(f"{home}/chats/")
    page.get_by_text("Import a chat").click()
    page.set_input_files("#file", {"name": name, "mimeType": "text/plain", "buffer": content})
    page.get_by_role("button", name="Import").click()
    page.wait_for_url("**/chat/**")


def serious(page: Page) -> list[str]:
    found = Axe().run(page).response["violations"]
    return [f"{one['id']}: {one['help']}" for one in found if one["impact"] in {"serious", "critical"}]


def test_versions_stand_side_by_side_and_can_be_gone_between(chat: Page) -> None:
    first = chat.locator("article.answer").get_attribute("id")
    chat.get_by_label(LABEL, exact=True).fill("a draft")
    chat.get_by_role("button", name="Regenerate").click()
    expect(chat.locator(".siblings")).to_have_text(re.compile("2 of 2"))
    answered(chat, 1)
    assert chat.locator("article.answer").get_attribute("id") != first
    expect(chat.get_by_label(LABEL, exact=True)).to_have_value("a draft")
    chat.get_by_label("The version before").click()
    expect(chat.locator("article.answer")).to_have_attribute("id", first or "")
    chat.get_by_label(LABEL, exact=True).fill("And more?")
    chat.get_by_label(LABEL, exact=True).press("Enter")
    answered(chat, 2)
    chat.get_by_role("link", name="Edit").first.click()
    chat.get_by_label("Your message, to be asked anew").fill("Other words")
    chat.get_by_label("Your message, to be asked anew").press("Tab")
    chat.locator(".edit-box .button", has_text="Send").click()
    answered(chat, 1)
    expect(chat.locator(".prompt")).to_have_text(["Other words"])
    chat.get_by_label("The version before").click()
    expect(chat.locator(".prompt")).to_have_text(["First words", "And more?"])
    chat.reload()
    expect(chat.locator(".prompt")).to_have_text(["First words", "And more?"])
    assert serious(chat) == []


def test_a_fork_goes_its_own_way(chat: Page) -> None:
    origin = chat.url
    chat.get_by_role("button", name="Fork from here").click()
    chat.wait_for_url(lambda address: address != origin and "/chat/" in address)
    expect(chat.locator(".thread-head")).to_contain_text("Forked from another chat")
    chat.get_by_label(LABEL, exact=True).fill("Only here")
    chat.get_by_label(LABEL, exact=True).press("Enter")
    answered(chat, 2)
    chat.get_by_role("link", name="another chat").click()
    expect(chat.locator(".prompt")).to_have_text(["First words"])


def test_a_chat_is_found_renamed_deleted_and_had_back(chat: Page) -> None:
    chat.locator(".thread-head .chat-menu summary").click()
    chat.get_by_label("Name", exact=True).fill("Sesquipedalian rivers")
    chat.get_by_role("button", name="Rename").click()
    expect(chat.get_by_role("heading", level=1)).to_have_text("Sesquipedalian rivers")
    chat.get_by_role("searchbox", name="Search your chats").fill("words first")
    chat.get_by_role("searchbox", name="Search your chats").press("Enter")
    expect(chat.locator(".chat-row mark").first).to_have_text(re.compile("first|words", re.IGNORECASE))
    chat.get_by_role("searchbox").fill("nothing like this")
    expect(chat.locator("#found")).to_contain_text("0 chats have these words")
    chat.get_by_role("searchbox").fill("sesqui")
    expect(chat.locator(".chat-title")).to_have_text("Sesquipedalian rivers")
    assert serious(chat) == []
    chat.locator(".chat-row summary").click()
    chat.get_by_role("button", name="Delete this chat").click()
    expect(chat.get_by_role("button", name="Undo")).to_be_focused()
    # Before htmx has taken it up, the form would send itself and lead to the chat.
    chat.wait_for_function("document.querySelector('.chat-row.gone form')['htmx-internal-data']")
    chat.keyboard.press("Enter")
    expect(chat.locator(".chat-title")).to_have_text("Sesquipedalian rivers")
    chat.get_by_role("link", name="Sesquipedalian rivers").click()
    expect(chat.locator(".prompt")).to_have_text(["First words"])


@pytest.mark.parametrize("form", ["Markdown", "JSON"])
def test_a_chat_goes_out_into_a_file_and_comes_back(chat: Page, form: str) -> None:
    said = chat.locator("article.answer .prose").inner_text()
    home = chat.url.split("/chat/")[0]
    chat.locator(".thread-head .chat-menu summary").click()
    with chat.expect_download() as waiting:
        chat.get_by_role("link", name=form, exact=True).click()
    file = waiting.value.path()
    import_chat(chat, home, {"Markdown": "chat.md", "JSON": "chat.json"}[form], file.read_bytes())
    expect(chat.locator(".prompt")).to_have_text(["First words"])
    assert chat.locator("article.answer .prose").inner_text() == said


def test_formulas_and_code_are_shown_as_such_and_code_is_copied(page: Page, demo_site: DemoSite) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    answer = "It is $x^2 + 1$.\n\n```python\nprint(1)\n```\n"
    chat = f"## You\n\nShow me.\n\n## Assistant\n\n{answer}"
    import_chat(page, demo_site.url, "a.md", chat.encode())
    expect(page.locator("article.answer math msup")).to_be_visible()
    expect(
        page.locator("article.answer .code .hl-name, article.answer .code .hl-number").first
    ).to_be_visible()
    page.get_by_role("button", name="Copy this code").click()
    expect(page.locator(".copy-code[data-done]")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == "print(1)"


def test_a_temporary_chat_is_in_no_history(page: Page, demo_site: DemoSite) -> None:
    page.goto(demo_site.url)
    page.get_by_role("link", name="Temporary chat").click()
    expect(page.locator(".temporary-note")).to_be_visible()
    page.get_by_label("Model", exact=True).select_option(demo_site.model("instruct-sft"))
    page.get_by_label(LABEL, exact=True).fill("Between us")
    page.get_by_label(LABEL, exact=True).press("Enter")
    page.wait_for_url("**/chat/**")
    answered(page, 1)
    expect(page.locator(".thread-head")).to_contain_text("A temporary chat")
    address = page.url
    page.goto(f"{demo_site.url}/chats/")
    expect(page.locator(".chat-title").filter(has_text="Between us")).to_have_count(0)
    page.goto(address)
    page.get_by_role("button", name="Keep it").click()
    expect(page.locator(".thread-head")).not_to_contain_text("A temporary chat")
    page.goto(f"{demo_site.url}/chats/")
    expect(page.locator(".chat-title").filter(has_text="Between us")).to_have_count(1)


def test_on_a_phone_nothing_is_wider_than_the_screen(chat: Page) -> None:
    chat.set_viewport_size({"width": 390, "height": 844})
    chat.get_by_role("link", name="Edit").click()
    expect(chat.get_by_label("Your message, to be asked anew")).to_be_focused()
    assert chat.evaluate("document.documentElement.scrollWidth") <= 390
    chat.get_by_role("link", name="Cancel").click()
    chat.locator(".thread-head .chat-menu summary").click()
    assert chat.evaluate("document.documentElement.scrollWidth") <= 390
    chat.goto(chat.url.split("/chat/")[0] + "/chats/")
    chat.locator(".chat-row summary").click()
    assert chat.evaluate("document.documentElement.scrollWidth") <= 390
