"""The composer and its answers, in a real browser: settings, presets, files, thinking, code, raw text."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.test_first_minutes import SUM, ask, finished_answer
from tests.sites import DemoSite

NOTES = {"name": "notes.md", "mimeType": "text/markdown", "buffer": b"Tides rise.\n"}
PHOTO = {"name": "photo.png", "mimeType": "image/png", "buffer": b"\x89PNG\0\0"}


def open_settings(page: Page) -> None:
    if not page.locator("details.settings[open]").count():
        page.locator("details.settings > summary").click()


def code(page: Page, language: str) -> str:
    return page.locator(f'#code-dialog [data-language="{language}"] pre').text_content() or ""


def test_settings_stay_with_the_chat_and_within_the_models_bounds(page: Page, demo_site: DemoSite) -> None:
    page.goto(demo_site.url)
    open_settings(page)
    page.get_by_label("System prompt").fill("Be brief.")
    page.get_by_label("Top-p").fill("0.9")
    page.get_by_label("Seed").fill("11")
    page.get_by_label("Stop before").fill("The answer")
    bound = page.get_by_label("Longest answer, in tokens").get_attribute("max")
    assert bound is not None
    assert int(bound) <= 32_768
    page.locator("details.settings > summary").click()
    ask(page, SUM, demo_site.model("instruct-sft"))
    finished_answer(page)
    expect(page.locator("article .prose").last).not_to_contain_text("The answer")
    page.reload()
    open_settings(page)
    expect(page.get_by_label("System prompt")).to_have_value("Be brief.")
    expect(page.get_by_label("Stop before")).to_have_value("The answer")
    expect(page.get_by_label("Seed")).to_have_value("11")


def test_a_preset_brings_its_settings_and_its_model_back(page: Page, demo_site: DemoSite) -> None:
    think, instruct = demo_site.model("think-sft"), demo_site.model("instruct-sft")
    page.goto(f"{demo_site.url}/?model={think}")
    open_settings(page)
    page.get_by_label("Temperature").fill("0.7")
    page.get_by_label("Name of the preset").fill("Warm")
    page.get_by_label("Name of the preset").press("Enter")
    expect(page.get_by_text("Kept as “Warm”.")).to_be_visible()
    page.goto(f"{demo_site.url}/?model={instruct}")
    open_settings(page)
    page.locator("select[name=preset]").select_option("Warm")
    expect(page.get_by_label("Temperature")).to_have_value("0.7")
    expect(page.locator("#model")).to_have_value(think)


def test_a_file_goes_with_the_message_and_a_picture_is_refused_with_the_reason(
    page: Page, demo_site: DemoSite
) -> None:
    page.goto(demo_site.url)
    page.locator("#attach").set_input_files([NOTES, PHOTO])
    expect(page.locator("#files .file-chip")).to_have_count(1)
    expect(page.get_by_role("alert").first).to_contain_text("photo.png is not text")
    ask(page, SUM, demo_site.model("instruct-sft"))
    finished_answer(page)
    expect(page.locator("#files .file-chip")).to_have_count(0)
    page.locator(".sent-files").get_by_role("link", name="notes.md").click()
    expect(page.locator("pre.document-text")).to_have_text("Tides rise.")


def test_one_key_opens_and_closes_all_thinking_and_it_says_how_long_it_is(
    page: Page, demo_site: DemoSite
) -> None:
    page.goto(demo_site.url)
    ask(page, SUM, demo_site.model("think-sft"))
    finished_answer(page)
    summary = page.locator("details.thinking summary")
    expect(summary).to_contain_text(
        re.compile(r"Thought for \d+\.\d s · ?\d+ words|Thought for .* \d+ words")
    )
    expect(page.locator("details.thinking[open]")).to_have_count(0)
    page.get_by_label("Your message").press("t")
    expect(page.get_by_label("Your message")).to_have_value("t")
    page.locator("h1, .model").first.click()
    page.keyboard.press("t")
    expect(page.locator("details.thinking[open]")).to_have_count(1)
    page.keyboard.press("t")
    expect(page.locator("details.thinking[open]")).to_have_count(0)
    page.locator("#settings > summary").click()
    page.get_by_label("The key T opens or closes all thinking").uncheck()
    page.reload()
    page.locator("h1, .model").first.click()
    page.keyboard.press("t")
    expect(page.locator("details.thinking[open]")).to_have_count(0)
    page.keyboard.press("Alt+t")
    expect(page.locator("details.thinking[open]")).to_have_count(1)


def test_the_raw_text_shows_every_letter_and_goes_back(page: Page, demo_site: DemoSite) -> None:
    page.goto(demo_site.url)
    ask(page, SUM, demo_site.model("think-sft"))
    finished_answer(page)
    page.get_by_role("link", name="Raw text").click()
    expect(page.locator(".prose.raw")).to_contain_text("<think>")
    expect(page.locator(".prose.raw a.span").first).to_be_visible()
    page.get_by_role("link", name="Formatted").click()
    expect(page.locator(".prose.raw")).to_have_count(0)
    expect(page.locator("article .prose").last).to_contain_text("The answer is")


def test_an_answer_as_code_gives_the_same_answer(page: Page, demo_site: DemoSite, tmp_path: Path) -> None:
    page.goto(demo_site.url)
    ask(page, SUM, demo_site.model("instruct-sft"))
    finished_answer(page)
    shown = page.locator("article .prose").last.inner_text().split()
    page.get_by_role("link", name="As code").click()
    expect(page.locator("#code-dialog[open]")).to_be_visible()
    script = tmp_path / "ask.py"
    script.write_text(code(page, "python"))
    environment = {"HEADWATER_API_KEY": demo_site.key, "PATH": "/usr/bin:/bin", "NO_PROXY": "127.0.0.1"}
    for command in ([sys.executable, str(script)], ["bash", "-c", code(page, "bash")]):
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        assert shown[-1] in done.stdout
    assert shlex.split(code(page, "bash").replace("\\\n", ""))[0] == "curl"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_settings_fit_their_box_on_a_phone_and_on_a_wide_screen(
    page: Page, demo_site: DemoSite, scheme: str
) -> None:
    page.emulate_media(color_scheme=scheme)
    for width in (390, 1360):
        page.set_viewport_size({"width": width, "height": 844})
        page.goto(demo_site.url)
        open_settings(page)
        box = page.locator("#settings-fields")
        assert box.evaluate("box => box.scrollWidth <= box.clientWidth")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
