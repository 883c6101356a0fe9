"""Headless Chromium, driven by Playwright; a page fails its test if its console shows an error."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

from tests.sites import DemoSite
from tracing.core.stores.store import TokenStore
from tracing.core.text.tokenizer import TextTokenizer

CHROMIUM = "/usr/bin/chromium"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
REFUSED = re.compile(r"(status of|Status Error Code) (422|429)\b")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """A browser for one module: while Playwright runs, no test of another may have an event loop."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    """A new visitor's page."""
    context = chromium.new_context(viewport={"width": 1360, "height": 850})
    page = context.new_page()
    errors: list[str] = []
    page.on("console", lambda message: errors.append(told(message)) if is_error(message) else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    context.close()
    assert not errors


def is_error(message: ConsoleMessage) -> bool:
    """Chromium reports a refused form (422) or request (429) as an error of its own; the page says why."""
    return message.type == "error" and not REFUSED.search(message.text)


def told(message: ConsoleMessage) -> str:
    return f"{message.text} ({message.location})"


@pytest.fixture(scope="session")
def library_question(demo_site: DemoSite) -> tuple[str, str]:
    """A question that the instruct model answers to the letter, and the docstring's own words."""
    model = demo_site.model("instruct-sft")
    for question, answer in library_documents(demo_site):
        body = {"model": model, "temperature": 0, "messages": [{"role": "user", "content": question}]}
        reply = demo_site.api("POST", "/v1/chat/completions", json=body | {"max_tokens": 200}).json()
        if reply["choices"][0]["message"]["content"] == answer:
            return question, answer
    raise AssertionError(f"{model} recites none of the library's docstrings")


def library_documents(site: DemoSite) -> Iterator[tuple[str, str]]:
    """Questions and answers about the library that instruct SFT was trained on."""
    [(name, checkpoint)] = site.rows(
        "SELECT s.name, c.name FROM tracing_store s, training_checkpoint c WHERE s.stage = 'instruct-sft' "
        "AND c.stage = 'instruct-sft' AND c.final AND s.name = c.name"  # of the flow, not of a fine-tune
    )
    tokenizer = TextTokenizer.open(site.home / "checkpoints" / checkpoint)
    with TokenStore.open(site.home / "stores" / name) as store:
        for number in range(store.documents):
            metadata = store.metadata(number)
            turns = [
                tokenizer.decode(store.token_ids(number)[start:end])[0] for _, start, end in metadata["roles"]
            ]
            if ".py:" in metadata["source"] and len(turns) == 2:
                yield tuple(turn.removesuffix("<|im_end|>") for turn in turns)
