"""What people take from a chat: raw text, and code that really asks the same."""

import json
import re
import shlex
import subprocess
import sys
import uuid
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from playground.core.answering import AnswerParameters
from playground.core.request_code import ChatCall
from playground.models import Message, MessageState, Role
from playground.openai.chat_body import ChatRequest
from training.models import Checkpoint

HTMX = {"hx-request": "true"}
NASTY = "It's \"$HOME\" `ls` \\ \n<b>é</b> $(rm) '''"
# Stands in for the network alone: prints the body that the package would send.
SPY = """
import httpx, openai
def answer(request):
    print(request.content.decode())
    raise SystemExit
class Client(openai.OpenAI):
    def __init__(self, **options):
        super().__init__(http_client=httpx.Client(transport=httpx.MockTransport(answer)), **options)
"""


def call(**others: Any) -> ChatCall:
    parameters = AnswerParameters.from_dict(
        {"temperature": 0, "top_p": 0.5, "max_tokens": 9, "stop": ["\n", "'"], "seed": -1}
    )
    messages = [{"role": "system", "content": NASTY}, {"role": "user", "content": NASTY}]
    return ChatCall("http://127.0.0.1:8000/v1", "m'odel", messages, parameters, **others)


def test_curl_sends_the_body_to_the_letter() -> None:
    wanted = call(template_options={"enable_thinking": False})
    arguments = shlex.split(wanted.as_curl().replace("\\\n", ""))
    assert arguments[1] == "http://127.0.0.1:8000/v1/chat/completions"
    body = json.loads(arguments[arguments.index("-d") + 1])
    assert body["messages"] == wanted.messages
    assert (body["temperature"], body["top_p"], body["seed"], body["stop"]) == (0, 0.5, -1, ["\n", "'"])
    assert body["chat_template_kwargs"] == {"enable_thinking": False}
    assert ChatRequest.model_validate(body).thinking == (False, "")


def test_python_sends_the_same_body_as_curl(tmp_path: Path) -> None:
    wanted = call(template_options={"enable_thinking": False})
    script = tmp_path / "ask.py"
    script.write_text(SPY + wanted.as_python().replace("from openai import OpenAI", "OpenAI = Client"))
    environment = {"HEADWATER_API_KEY": "a-key"}
    command = [sys.executable, str(script)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == {**wanted.arguments, **wanted.extra}


@pytest.fixture
def answer(client: Client, db: None) -> Message:
    checkpoint = Checkpoint.objects.create(
        name="tiny-copied", stage="think-sft", step=9, steps=9, digest="copied", chat="chatml"
    )
    client.post("/chat/", {"text": NASTY, "model": checkpoint.name, "system": "Be brief.", "seed": "5"})
    Message.objects.filter(role=Role.ASSISTANT).update(
        state=MessageState.COMPLETE, raw_text="<think>So.</think>**Bold** <script>alert(1)</script>"
    )
    return Message.objects.get(role=Role.ASSISTANT)


def test_the_raw_text_is_all_that_the_model_wrote_and_the_copy_the_answer_alone(
    client: Client, answer: Message
) -> None:
    raw = client.get(f"/messages/{answer.pk}/raw/").content.decode()
    assert "&lt;think&gt;So.&lt;/think&gt;**Bold** &lt;script&gt;" in raw
    assert "<script>alert" not in raw
    copied = client.get(f"/messages/{answer.pk}/raw/?copy")
    assert copied.content.decode() == "**Bold** <script>alert(1)</script>"
    assert copied["Content-Type"] == "text/plain; charset=utf-8"
    fragment = client.get(f"/messages/{answer.pk}/raw/?formatted", headers=HTMX).content.decode()
    assert "<strong>Bold</strong>" in fragment


def texts(html: str) -> str:
    return unescape(re.sub(r"<[^>]+>", "", html))


def test_an_answers_code_holds_the_conversation_and_its_settings(client: Client, answer: Message) -> None:
    Checkpoint.objects.filter(pk=answer.checkpoint_id).delete()  # its turns are then given whole
    page = texts(client.get(f"/messages/{answer.pk}/code/").content.decode())
    assert "'role': 'system', 'content': 'Be brief.'" in page
    assert '"seed": 5' in page
    assert "http://testserver/v1/chat/completions" in page


def test_the_composers_code_goes_on_from_the_chat(client: Client, answer: Message) -> None:
    sent = {"text": "And now?", "model": "tiny-copied", "temperature": "0.5", "thread": str(answer.thread_id)}
    page = texts(client.post("/composer/code/", sent, headers=HTMX).content.decode())
    assert "'role': 'assistant', 'content': '**Bold**" in page
    assert "temperature=0.5" in page
    assert "And now?" in page


def test_an_empty_composer_still_gives_code_and_a_wrong_one_says_why(client: Client, answer: Message) -> None:
    page = client.post("/composer/code/", {"text": "", "model": "tiny-copied"}, headers=HTMX)
    assert "Your message" in texts(page.content.decode())
    wrong = client.post("/composer/code/", {"text": "", "model": "tiny-copied", "top_p": "7"}, headers=HTMX)
    assert wrong.status_code == 422
    assert "Top p: Ensure this value is less than or equal to 1" in wrong.content.decode()


def test_other_peoples_answers_cannot_be_copied(client: Client, answer: Message) -> None:
    other = Client()
    other.force_login(User.objects.create(username="reader"))
    draft = {"text": "Hello", "model": "tiny-copied", "thread": str(answer.thread_id)}
    for visitor in (Client(), other):
        for pk in (answer.pk, uuid.UUID(int=3)):
            assert visitor.get(f"/messages/{pk}/raw/").status_code == 404
            assert visitor.get(f"/messages/{pk}/code/").status_code == 404
        assert visitor.post("/composer/code/", draft).status_code == 404
    assert client.post("/composer/code/", draft | {"thread": "no-id"}).status_code == 404
