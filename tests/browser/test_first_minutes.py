"""The first five minutes, in a real browser, against the real stack: ask, watch, click, read the source."""

import re

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.sites import DemoSite

ANSWER_MS = 60_000
SUM = "What is 12 + 15?"


def ask(page: Page, text: str, model: str, temperature: str = "0", max_tokens: str = "128") -> None:
    page.get_by_label("Model").select_option(model)
    page.get_by_text("Settings").click()
    page.get_by_label("Temperature").fill(temperature)
    page.get_by_label("Longest answer, in tokens").fill(max_tokens)
    page.get_by_text("Settings").click()
    page.get_by_label("Your message").fill(text)
    page.get_by_label("Your message").press("Enter")


def finished_answer(page: Page) -> None:
    expect(page.locator("article.answer").last).to_have_class(
        re.compile("answer-complete"), timeout=ANSWER_MS
    )


def read_span_in_its_document(page: Page, lit: str) -> None:
    """Click lit words, open their first document, and find them in it verbatim."""
    words = page.locator(lit).first
    lit_text = words.inner_text()
    words.click()
    panel = page.locator(".panel").last
    expect(panel.get_by_role("heading", name="In the training data")).to_be_visible()
    expect(panel.locator(".snippet mark").first).to_be_visible()
    span = panel.locator(".quoted").first.inner_text()
    assert span in lit_text
    panel.get_by_role("link", name="Read the whole document").first.click()
    expect(page.locator("dl.facts")).to_contain_text("Licence")
    expect(page.locator(".document-text mark").first).to_have_text(span)
    assert span in page.locator(".document-text").inner_text()


def catch_in_mid_answer(page: Page, site: DemoSite) -> None:
    """Have an answer on the page that is being written and has begun; some end sooner than one can look."""
    for _ in range(10):
        page.goto(site.url)
        ask(page, "import ", site.model("pretrain"), temperature="1", max_tokens="400")
        expect(page.locator("article .prose").last).not_to_be_empty(timeout=ANSWER_MS)
        if page.locator("article.answer-writing").count():
            return
    raise AssertionError("ten answers in a row ended at once")


def test_think_shows_its_thinking_an_answer_and_where_the_words_come_from(
    page: Page, demo_site: DemoSite
) -> None:
    page.goto(demo_site.url)
    ask(page, SUM, demo_site.model("think-sft"))
    expect(page.locator("details.thinking summary")).to_contain_text("Thought for", timeout=ANSWER_MS)
    finished_answer(page)
    expect(page.locator("details.thinking[open]")).to_have_count(0)
    page.keyboard.press("Alt+t")
    expect(page.locator("details.thinking[open] .prose")).to_contain_text("ones:")
    expect(page.locator("article .prose").last).to_contain_text("The answer is")
    read_span_in_its_document(page, "article a.span")


def test_instruct_recites_a_docstring_that_leads_to_its_file_and_line(
    page: Page, demo_site: DemoSite, library_question: tuple[str, str]
) -> None:
    question, answer = library_question
    page.goto(demo_site.url)
    ask(page, question, demo_site.model("instruct-sft"))
    finished_answer(page)
    assert page.locator("article .prose").last.inner_text().split() == answer.split()
    page.locator("article a.span").first.click()
    expect(page.locator(".panel .source").filter(has_text=re.compile(r"\.py:\d+")).first).to_be_visible()
    read_span_in_its_document(page, "article a.span")


def test_stop_keeps_what_was_written(page: Page, demo_site: DemoSite) -> None:
    for _ in range(10):  # an answer may end by itself between the look and the key
        catch_in_mid_answer(page, demo_site)
        page.keyboard.press("Escape")
        expect(page.locator("article.answer-writing")).to_have_count(0, timeout=ANSWER_MS)
        if page.locator("article.answer-stopped").count():
            break
    expect(page.locator("article.answer-stopped")).to_contain_text("You stopped this answer")
    kept = page.locator("article .prose").last.inner_text()
    assert kept.strip()
    page.reload()
    assert page.locator("article .prose").last.inner_text() == kept


def test_a_reload_in_mid_answer_loses_nothing(page: Page, demo_site: DemoSite) -> None:
    catch_in_mid_answer(page, demo_site)
    before = page.locator("article .prose").last.text_content()
    page.reload()
    finished_answer(page)
    after = page.locator("article .prose").last.text_content()
    assert before
    assert after
    assert letters(after).startswith(letters(before)[:-20])


def letters(text: str) -> str:
    """Without the white space that Markdown adds between blocks."""
    return re.sub(r"\s+", "", text)


def test_words_light_up_while_the_answer_is_written(page: Page, demo_site: DemoSite) -> None:
    lit = page.locator("article.answer-writing a.span")
    for _ in range(10):  # a short answer may end sooner than one can look
        page.goto(demo_site.url)
        ask(page, "15 + 12:", demo_site.model("pretrain"), temperature="0.7", max_tokens="400")
        page.locator("article a.span").first.wait_for(timeout=ANSWER_MS)
        if lit.count():
            return
    raise AssertionError("no words were lit before the answer's end")


def test_on_a_phone_the_documents_stand_below_the_answer(page: Page, demo_site: DemoSite) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(demo_site.url)
    ask(page, SUM, demo_site.model("think-sft"))
    finished_answer(page)
    page.locator("article .prose a.span:visible").first.click()
    expect(page.locator(".panel")).to_be_visible()
    answer, panel = page.locator("article.answer").bounding_box(), page.locator(".panel").bounding_box()
    assert answer
    assert panel
    assert panel["y"] >= answer["y"] + answer["height"]
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_everything_can_be_reached_by_keyboard(page: Page, demo_site: DemoSite) -> None:
    page.goto(demo_site.url)
    ask(page, SUM, demo_site.model("think-sft"))
    finished_answer(page)
    page.locator("article a.span:visible").first.focus()
    page.keyboard.press("Enter")
    expect(page.locator(".panel")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator(".panel")).to_have_count(0)


def test_a_refused_message_stays_in_the_box(page: Page, demo_site: DemoSite) -> None:
    page.goto(demo_site.url)
    page.get_by_label("Your message").fill("x" * 40_000)
    page.get_by_label("Your message").press("Enter")
    expect(page.get_by_role("alert").first).to_contain_text("at most 32,000 fit")
    assert len(page.get_by_label("Your message").input_value()) == 40_000


def test_the_flow_page_shows_stages_curves_data_and_checkpoints(page: Page, demo_site: DemoSite) -> None:
    page.goto(f"{demo_site.url}/flow/?stage=pretrain")
    for stage in ("prepare", "pretrain", "midtrain", "think-sft", "instruct-sft"):
        expect(page.locator(".node").filter(has_text=stage).first).to_contain_text("done")
    expect(page.locator(".chart svg")).to_be_visible()
    expect(page.get_by_role("heading", name="Trained on")).to_be_visible()
    page.locator("main").get_by_role("link", name="Chat", exact=True).first.click()
    assert "model=" in page.url


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_is_legible_in_light_and_dark(page: Page, demo_site: DemoSite, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme)
    page.goto(demo_site.url)
    colours = page.evaluate(
        "(() => { const s = getComputedStyle(document.body); return [s.color, s.backgroundColor]; })()"
    )
    assert contrast(*colours) > 7


def contrast(one: str, other: str) -> float:
    """WCAG contrast ratio of two CSS rgb() colours."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(colour: str) -> float:
    channels = [int(value) / 255 for value in re.findall(r"\d+", colour)[:3]]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return sum(weight * value for weight, value in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def test_pages_say_what_may_run_in_them(demo_site: DemoSite) -> None:
    policy = httpx.get(demo_site.url).headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
