"""Any text traced to the data of a really trained flow: kept, lit otherwise, and what the fine-tune added."""

import json
import re

import pytest
from django.test import Client

from accounts.models import User
from playground.models import Message, Role, Thread
from tests.flows import document_text
from tracing.models import KeptTrace
from training.models import Checkpoint, Flow
from training.traces import trace_answer

pytestmark = pytest.mark.django_db(transaction=True)
HTMX = {"hx-request": "true"}


@pytest.fixture
def instruct(transactional_db: None, trained_flow: Flow) -> Checkpoint:
    return Checkpoint.objects.get(job__flow=trained_flow, stage="instruct-sft", final=True)


@pytest.fixture
def browser() -> Client:
    client = Client()
    client.force_login(User.objects.create_user("ada"))
    return client


@pytest.fixture
def text(instruct: Checkpoint) -> str:
    words = document_text(instruct, "pretrain")[0]
    return f"Nobody wrote this.\n{words[:600]}\nAnd zyx qwv jkp this neither."


def paste(browser: Client, text: str, model: str) -> KeptTrace:
    response = browser.post("/trace/", {"text": text, "model": model})
    assert response.status_code == 302, response.content.decode()
    kept = KeptTrace.objects.get()
    assert response["location"] == f"/trace/{kept.pk}/"
    return kept


def lit(content: str) -> int:
    return len(re.findall(r'<a class="span ', content))


def test_a_pasted_text_is_kept_letter_by_letter_with_what_is_lit(
    browser: Client, instruct: Checkpoint, text: str
) -> None:
    kept = paste(browser, text.replace("\n", "\r\n"), instruct.name)
    assert kept.text == text
    content = browser.get(f"/trace/{kept.pk}/").content.decode()
    assert lit(content)
    assert "of the text stands word for word" in content
    assert kept.title[:30] in browser.get("/trace/").content.decode()
    span = kept.content["spans"][0]
    panel = browser.get(f"/trace/{kept.pk}/spans/{span['start']}-{span['end']}/")
    assert "Read the whole document" in panel.content.decode()
    assert browser.get(f"/trace/{kept.pk}/spans/0-3/").status_code == 404


def test_other_lighting_repaints_the_text_and_is_remembered(
    browser: Client, instruct: Checkpoint, text: str
) -> None:
    kept = paste(browser, text, instruct.name)
    page = f"/trace/{kept.pk}/"
    few = browser.get(page).content.decode()
    all_runs = browser.get(f"{page}?all=1&min_tokens=2", headers=HTMX).content.decode()
    assert lit(all_runs) > lit(few)
    assert 'hx-swap-oob="outerHTML"' in all_runs
    assert "<html" not in all_runs
    again = browser.get(page).content.decode()
    assert lit(again) == lit(all_runs)
    assert re.search(r'name="all" value="1"\s+checked', again)
    href = re.search(r'<a class="span[^"]*" href="([^"]*)"', again)
    assert href
    assert browser.get(href[1].replace("&amp;", "&")).status_code == 200
    none = browser.get(f"{page}?density=0.01&min_tokens=64").content.decode()
    assert lit(none) < lit(few)


def test_an_answer_in_a_chat_asks_to_be_lit_as_this_browser_wants(
    browser: Client, instruct: Checkpoint
) -> None:
    token_ids = document_text(instruct, "pretrain")[1][:120]
    trace = trace_answer(instruct, token_ids)
    owner = User.objects.get(username="ada")
    thread = Thread.objects.create(owner=owner, title="Chat")
    fields = {"role": Role.ASSISTANT, "checkpoint": instruct, "token_ids": token_ids, "trace": trace}
    answer = Message.objects.create(thread=thread, position=0, raw_text=trace["text"], **fields)
    chat = f"/chat/{thread.pk}/"
    asks = f'hx-get="/messages/{answer.pk}/trace/" hx-trigger="load"'
    assert asks not in browser.get(chat).content.decode()
    browser.get(f"/messages/{answer.pk}/trace/?density=0.4&min_tokens=3", headers=HTMX)
    assert asks in browser.get(chat).content.decode()
    assert "density=0.4" in browser.get(f"/messages/{answer.pk}/trace/", headers=HTMX).content.decode()


def test_what_the_fine_tune_added_is_painted_apart(browser: Client, instruct: Checkpoint) -> None:
    words, _ = document_text(instruct, "instruct-sft")
    kept = paste(browser, words, instruct.name)
    [parent] = instruct.parents.all()
    content = browser.get(f"/trace/{kept.pk}/?view=added&min_tokens=4").content.decode()
    assert "What the fine-tune added" in content
    assert f'value="{parent.name}" selected' in content
    assert 'class="span span-added"' in content
    assert 'class="span span-known"' in content
    unknown = browser.get(f"/trace/{kept.pk}/?added_since=nobody").content.decode()
    assert "does not descend from" in unknown


def test_a_base_model_has_nothing_to_have_added_to(browser: Client, instruct: Checkpoint, text: str) -> None:
    base = Checkpoint.objects.filter(job__flow=instruct.job.flow, stage="pretrain").earliest("step")
    kept = paste(browser, text, base.name)
    assert "trained from scratch" in browser.get(f"/trace/{kept.pk}/?view=added").content.decode()


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"text": ""}, "Paste a text first."),
        ({"text": " \n\t"}, "Paste a text first."),
        ({"text": "x" * 200_001}, "200,001 characters; at most 200,000"),
        ({"text": "a\0b"}, "Null characters are not allowed"),
        ({"model": "<b>nobody</b>"}, "no model of that name"),
        ({"model": ""}, "Choose a model first."),
    ],
)
def test_what_cannot_be_traced_is_refused_with_the_text_still_in_the_box(
    browser: Client, instruct: Checkpoint, fields: dict[str, str], says: str
) -> None:
    response = browser.post("/trace/", {"text": "Hello there", "model": instruct.name, **fields})
    assert response.status_code == 422
    content = response.content.decode()
    assert says in content
    assert "<b>nobody" not in content
    if "text" not in fields:
        assert ">Hello there</textarea>" in content
    assert not KeptTrace.objects.exists()


def test_htmx_is_led_to_the_kept_trace(browser: Client, instruct: Checkpoint, text: str) -> None:
    response = browser.post("/trace/", {"text": text, "model": instruct.name}, headers=HTMX)
    assert response["HX-Redirect"] == f"/trace/{KeptTrace.objects.get().pk}/"
    assert json.dumps(KeptTrace.objects.get().content)


def test_a_filter_finds_documents_that_the_trace_had_not_looked_at(
    browser: Client, instruct: Checkpoint
) -> None:
    words, _ = document_text(instruct, "instruct-sft")
    kept = paste(browser, words, instruct.name)
    spans = [span for span in kept.content["spans"] if len(span["stages"]) > 1]
    span = max(spans, key=lambda span: span["count"])
    addresses = [
        (stage, f"/trace/{kept.pk}/spans/{span['start']}-{span['end']}/") for stage in span["stages"]
    ]
    KeptTrace.objects.update(content=kept.content | {"documents": [], "spans": without_documents(kept)})
    for stage, address in addresses:
        assert "Read the whole document" not in browser.get(address).content.decode()
        content = browser.get(f"{address}?stage={stage}").content.decode()
        assert "Read the whole document" in content
        assert {other for other, _ in addresses if f'<span class="chip">{other}</span>' in content} == {stage}


def without_documents(kept: KeptTrace) -> list[dict[str, object]]:
    return [span | {"documents": []} for span in kept.content["spans"]]
