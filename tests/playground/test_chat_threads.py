"""What a person sends: checked, saved before anything else, and nobody else's business."""

import re
import uuid
from http.cookies import SimpleCookie

import pytest
from django.test import Client

from accounts.models import User
from playground.chat.threads import Prompt, ThreadBusyError, add_turn, create_thread, reopen, title_of
from playground.models import Message, MessageState, Thread
from playground.traces.painting import segments
from playground.traces.panel import spans_at
from training.models import Checkpoint

pytestmark = pytest.mark.django_db


@pytest.fixture
def checkpoint() -> Checkpoint:
    return Checkpoint.objects.create(
        name="demo-think-sft", stage="think-sft", step=9, steps=9, final=True, chat="chatml", thinking=True
    )


@pytest.fixture
def thread(checkpoint: Checkpoint) -> Thread:
    return create_thread(owner=None, session_key="somebody", prompt=Prompt("What is 4 + 5?", checkpoint))[0]


def test_a_prompt_and_an_empty_answer_are_saved_together(thread: Thread) -> None:
    prompt, answer = thread.messages.all()
    assert (prompt.raw_text, prompt.state) == ("What is 4 + 5?", MessageState.COMPLETE)
    assert (answer.raw_text, answer.state) == ("", MessageState.WRITING)


def test_a_second_prompt_waits_for_the_answer_before_it(thread: Thread, checkpoint: Checkpoint) -> None:
    with pytest.raises(ThreadBusyError, match="still being written"):
        add_turn(thread=thread, prompt=Prompt("And 5 + 6?", checkpoint))
    thread.messages.filter(state=MessageState.WRITING).update(state=MessageState.COMPLETE)
    assert add_turn(thread=thread, prompt=Prompt("And 5 + 6?", checkpoint)).position == 3


def test_an_ended_answer_is_reopened_once(thread: Thread) -> None:
    answer = thread.messages.last()
    assert answer
    Message.objects.filter(pk=answer.pk).update(state=MessageState.STOPPED)
    assert reopen(answer, (MessageState.STOPPED,))
    assert not reopen(answer, (MessageState.STOPPED,))


@pytest.mark.parametrize(
    ("text", "title"),
    [("\n\n  First line\nsecond", "First line"), ("x" * 90, "x" * 59 + "…"), ("   ", "New chat")],
)
def test_a_thread_is_called_by_its_first_line(text: str, title: str) -> None:
    assert title_of(text) == title


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"text": ""}, "Write something first."),
        ({"text": "  \n "}, "Write something first."),
        ({"text": "x" * 1_000_000}, "1,000,000 characters; at most 32,000 fit"),
        ({"text": "a\x00b"}, "Null characters are not allowed"),
        ({"model": "no-such-model"}, "no model of that name"),
        ({"model": ""}, "Choose a model first."),
        ({"temperature": "nan"}, "Temperature: Enter a number."),
        ({"temperature": "inf"}, "Temperature: Enter a number."),
        ({"temperature": "-1"}, "Temperature: Ensure this value is greater than or equal to 0."),
        ({"max_tokens": "999999999"}, "Max tokens: Ensure this value is less than or equal to"),
    ],
)
def test_what_cannot_be_sent_is_refused_with_the_reason_and_nothing_is_saved(
    client: Client, checkpoint: Checkpoint, fields: dict[str, str], says: str
) -> None:
    response = client.post(
        "/chat/", {"text": "Hello", "model": checkpoint.name} | fields, headers={"hx-request": "true"}
    )
    assert response.status_code == 422
    assert says in response.content.decode()
    assert not Message.objects.exists()


def test_a_binary_body_is_refused_without_a_crash(client: Client, checkpoint: Checkpoint) -> None:
    response = client.post("/chat/", b"\xff\xfe\x00\x01" * 100, content_type="application/octet-stream")
    assert response.status_code == 422


def test_temperature_zero_stays_zero(checkpoint: Checkpoint) -> None:
    from playground.chat.forms import MessageForm

    form = MessageForm({"text": "Hello", "model": checkpoint.name, "temperature": "0"})
    assert form.is_valid()
    assert form.prompt().parameters["temperature"] == 0


@pytest.mark.parametrize(
    ("verb", "address"),
    [
        ("get", "/chat/{thread}/"),
        ("post", "/chat/{thread}/messages/"),
        ("get", "/messages/{answer}/stream/"),
        ("post", "/messages/{answer}/stop/"),
        ("post", "/messages/{answer}/continue/"),
        ("get", "/messages/{answer}/spans/0-5/"),
    ],
)
def test_other_peoples_threads_and_answers_do_not_exist(
    client: Client, thread: Thread, checkpoint: Checkpoint, verb: str, address: str
) -> None:
    answer = thread.messages.last()
    assert answer
    form = {"text": "Hello", "model": checkpoint.name}
    for visitor in (client, signed_in()):
        for answer_id, thread_id in ((answer.pk, thread.pk), (uuid.uuid4(), uuid.uuid4())):
            path = address.format(thread=thread_id, answer=answer_id)
            assert getattr(visitor, verb)(path, form).status_code == 404


def signed_in() -> Client:
    client = Client()
    user, _ = User.objects.get_or_create(username="reader")
    client.force_login(user)
    return client


def span(start: int, end: int, tier: str = "low") -> dict[str, object]:
    places = {"start": start, "end": end, "token_start": start, "token_end": end}
    found = {"text": "x" * (end - start), "count": 1, "stages": {"pretrain": 1}, "documents": []}
    return places | found | {"relevance": tier}


def test_overlapping_spans_are_shown_as_one_with_the_best_tier() -> None:
    merged = segments([span(0, 5, "high"), span(10, 20), span(15, 30, "medium"), span(30, 40)])
    assert [(s.start, s.end, s.relevance) for s in merged] == [
        (0, 5, "high"),
        (10, 30, "medium"),
        (30, 40, "low"),
    ]
    assert merged[1].spans == (1, 2)


def test_the_panel_tells_each_span_of_the_segment_that_shares_most() -> None:
    spans = [span(0, 5), span(3, 11), span(20, 24)]
    trace = {"spans": spans, "documents": [], "token_ids": list(range(30))}
    assert [found["text"] for found in spans_at(trace, 4, 22)] == ["x" * 8, "x" * 5]
    assert spans_at(trace, 11, 20) == []


def test_null_characters_that_a_model_wrote_are_kept_as_a_sign_of_the_same_length(thread: Thread) -> None:
    answer = thread.messages.last()
    assert answer
    text, trace = "a\0b", {"text": "a\0b", "spans": [{"text": "\0"}]}
    Message.objects.filter(pk=answer.pk).update(raw_text=text)
    answer.trace = trace
    answer.save(update_fields=["trace"])
    answer.refresh_from_db()
    assert answer.raw_text == "a\ufffdb"
    assert answer.trace == {"text": "a\ufffdb", "spans": [{"text": "\ufffd"}]}


def test_a_newcomer_who_presses_twice_gets_one_chat(client: Client, checkpoint: Checkpoint) -> None:
    """Without JavaScript both requests leave before either is answered, with the cookies of the page."""
    page = client.get("/").text
    [question_id, *others] = re.findall(r'name="question_id" value="([0-9a-f-]{36})"', page)
    assert set(others) == {question_id}
    form = {"text": "What is 47 + 38?", "model": checkpoint.name, "question_id": question_id}
    places = []
    for _ in range(2):
        presses = Client()
        presses.cookies = SimpleCookie({name: each.value for name, each in client.cookies.items()})
        places.append(presses.post("/chat/", form)["Location"])
    assert places[0] == places[1]
    assert Thread.objects.count() == 1
    assert presses.get(places[0]).status_code == 200
