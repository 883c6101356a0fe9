"""Comparing blindly, sharing a chat and rating an answer, in a real browser on the whole stack."""

import re

from playwright.sync_api import Browser, Page, expect

from tests.browser.test_first_minutes import SUM, ask, finished_answer
from tests.sites import DemoSite

WAIT_MS = 240_000


def ask_blindly(page: Page, site: DemoSite) -> list[str]:
    """Put a sum to three models without their names; says who they are."""
    names = [site.model(stage) for stage in ("think-sft", "instruct-sft", "midtrain")]
    address = "&".join(f"{letter}={name}" for letter, name in zip("abc", names, strict=True))
    page.goto(f"{site.url}/compare/?{address}&blind=1")
    expect(page.get_by_label("Blind")).to_be_checked()
    page.get_by_label("Your message to all").fill(SUM)
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"/compare/[0-9a-f-]{36}/"))
    return names


def test_three_models_answer_blindly_and_a_vote_shows_names_traces_and_the_score(
    page: Page, demo_site: DemoSite
) -> None:
    names = ask_blindly(page, demo_site)
    expect(page.get_by_role("button", name="B is better")).to_be_visible(timeout=WAIT_MS)
    page.reload()
    expect(page.locator(".beside .answer-complete")).to_have_count(3)
    assert page.locator(".beside .model").all_inner_texts() == ["Answer A", "Answer B", "Answer C"]
    assert not [name for name in names if name in page.content()]
    assert page.locator("a.span, details.thinking").count() == 0
    page.get_by_role("button", name="B is better").click()
    expect(page.locator(".voted")).to_contain_text("You preferred")
    shown = page.locator(".beside .model").all_inner_texts()
    assert sorted(shown) == sorted(names)
    expect(page.locator(".voted strong")).to_have_text(shown[1])
    expect(page.locator("a.span").first).to_be_attached()
    page.get_by_role("link", name="Compare their traces").click()
    expect(page.get_by_role("heading", name="Three traces side by side")).to_be_visible()
    expect(page.locator(".side")).to_have_count(3)
    page.locator(".compared-numbers .run").first.click()
    expect(page.locator(".compared .panel")).to_be_visible()
    page.goto(f"{demo_site.url}/compare/score/")
    expect(page.get_by_role("row", name=shown[1]).first).to_contain_text("2")


def test_stop_all_stops_every_answer_and_keeps_what_there_is(page: Page, demo_site: DemoSite) -> None:
    ask_blindly(page, demo_site)
    page.get_by_role("button", name="Stop all").click()
    expect(page.locator(".beside article[aria-busy]")).to_have_count(0, timeout=WAIT_MS)
    expect(page.locator(".prompt")).to_have_text(SUM)
    expect(page.get_by_role("button", name="None is good")).to_be_visible(timeout=WAIT_MS)


def test_a_comparison_with_a_file_is_shared_deleted_and_had_back(
    page: Page, demo_site: DemoSite, chromium: Browser
) -> None:
    names = [demo_site.model(stage) for stage in ("think-sft", "instruct-sft")]
    page.goto(f"{demo_site.url}/compare/?a={names[0]}&b={names[1]}")
    notes = {"name": "notes.md", "mimeType": "text/markdown", "buffer": b"# Sums\nCarry the one."}
    page.locator("#attach").set_input_files([notes])
    expect(page.locator("#files")).to_contain_text("notes.md")
    page.get_by_label("Your message to all").fill(SUM)
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"/compare/[0-9a-f-]{36}/"))
    expect(page.locator(".beside .answer-complete")).to_have_count(2, timeout=WAIT_MS)
    expect(page.locator(".turn-user")).to_contain_text("notes.md")
    page.locator("#share-lineup summary").click()
    page.locator("#share-lineup").get_by_role("button", name="Make a link").click()
    link = page.get_by_label("Anyone with this link").input_value()
    context = chromium.new_context()
    stranger = context.new_page()
    stranger.goto(link)
    assert stranger.locator(".side .model").all_inner_texts() == names
    expect(stranger.locator(".turn-user")).to_contain_text("notes.md")
    assert "Carry the one." not in stranger.content()
    stranger.get_by_role("link", name="Compare their traces").click()
    expect(stranger.get_by_role("heading", name="Two traces side by side")).to_be_visible()
    address = page.url
    page.get_by_label("What to do with").click()
    page.get_by_role("button", name="Delete this comparison").click()
    expect(page.locator(".undo")).to_contain_text("Deleted")
    gone = page.request.get(address)
    assert gone.status == 404
    page.locator(".undo").get_by_role("button", name="Undo").click()
    page.wait_for_url(address)
    expect(page.locator(".beside .answer-complete")).to_have_count(2)
    page.goto(f"{demo_site.url}/shares/")
    page.get_by_role("button", name="Revoke").first.click()
    expect(page.get_by_role("listitem").filter(has_text="revoked")).to_contain_text(SUM)
    revoked = stranger.goto(link)
    assert revoked
    assert revoked.status == 404
    context.close()


def test_a_shared_chat_opens_for_a_stranger_until_it_is_revoked(
    page: Page, demo_site: DemoSite, chromium: Browser
) -> None:
    page.goto(demo_site.url)
    ask(page, SUM, demo_site.model("think-sft"))
    finished_answer(page)
    page.locator("#share-chat summary").click()
    page.locator("#share-chat").get_by_role("button", name="Make a link").click()
    link = page.get_by_label("Anyone with this link").input_value()
    context = chromium.new_context()
    stranger = context.new_page()
    response = stranger.goto(link)
    assert response
    assert response.headers["x-robots-tag"] == "noindex, nofollow"
    expect(stranger.get_by_text("Somebody shared this chat")).to_be_visible()
    expect(stranger.locator(".prompt")).to_have_text(SUM)
    stranger.locator("details.thinking summary").click()
    stranger.locator("a.span:visible").first.click()
    expect(stranger.locator(".panel .snippet mark").first).to_be_visible()
    expect(stranger.locator("#composer, .rating")).to_have_count(0)
    page.get_by_role("button", name="Revoke it").click()
    expect(page.get_by_text("The link is revoked")).to_be_visible()
    gone = stranger.goto(link)
    assert gone
    assert gone.status == 404
    context.close()


def test_a_rating_and_consent_are_kept_and_taken_back_by_keyboard(page: Page, demo_site: DemoSite) -> None:
    page.goto(demo_site.url)
    ask(page, SUM, demo_site.model("think-sft"))
    finished_answer(page)
    page.get_by_role("button", name="Good", exact=True).press("Enter")
    page.get_by_label("Why, if you like").fill("It carries <b>well</b>.")
    page.get_by_label("This chat may become training data").press("Space")
    page.locator(".rating-details").get_by_role("button", name="Save").press("Enter")
    expect(page.get_by_text("Saved.")).to_be_visible()
    page.reload()
    expect(page.get_by_role("button", name="Good", exact=True)).to_have_attribute("aria-pressed", "true")
    page.get_by_role("link", name="Say more").press("Enter")
    expect(page.get_by_label("Why, if you like")).to_have_value("It carries <b>well</b>.")
    expect(page.get_by_label("This chat may become training data")).to_be_checked()
    page.get_by_role("button", name="Good", exact=True).press("Enter")
    expect(page.get_by_role("button", name="Good", exact=True)).to_have_attribute("aria-pressed", "false")
