"""Two models beside each other: both prompts are saved or neither, and whose turn it is is said."""

import uuid
from datetime import timedelta

import pytest
from django.contrib.sessions.backends.db import SessionStore
from django.db import IntegrityError
from django.test import Client
from django.utils import timezone

from accounts.models import User
from playground.beside.pairs import PairPrompt, add_round, create_pair
from playground.chat.threads import Prompt, ThreadBusyError
from playground.core.errors import EngineUnavailable
from playground.engines import place_in_queue, want, what_is_missing
from playground.models import Deployment, Engine, EngineState, Message, MessageState, Pair, Thread
from training.models import Checkpoint

pytestmark = pytest.mark.django_db


@pytest.fixture
def models() -> list[Checkpoint]:
    return [
        Checkpoint.objects.create(name=name, stage="think-sft", step=9, steps=9, final=True, chat="chatml")
        for name in ("one", "two", "three")
    ]


@pytest.fixture
def visitor(client: Client) -> Client:
    session = SessionStore()
    session.create()
    client.cookies["sessionid"] = session.session_key
    return client


@pytest.fixture
def pair(models: list[Checkpoint], visitor: Client) -> Pair:
    return create_pair(owner=None, session_key=visitor.cookies["sessionid"].value, asked=asked(models))[0]


def asked(models: list[Checkpoint], text: str = "What is 4 + 5?") -> PairPrompt:
    return PairPrompt(Prompt(text, models[0], {"temperature": 0.0, "max_tokens": 5}), models[1])


def complete(pair: Pair, *, with_trace: bool = False) -> None:
    span = {"start": 0, "end": 4, "token_start": 0, "token_end": 1, "text": "nine", "count": 1}
    trace = {
        "spans": [span | {"log_probability": -3.0, "relevance": "low", "stages": {"x": 1}, "documents": []}],
        "documents": [], "indexes": [], "text": "nine", "token_ids": [1], "model": "one",
        "coverage": {"share": 1.0, "longest_span_tokens": 1, "novel_share": 0.0}, "withheld": [],
    }  # fmt: skip
    for thread in (pair.left, pair.right):
        row = thread.messages.filter(state=MessageState.WRITING)
        row.update(
            state=MessageState.COMPLETE, raw_text="nine", token_ids=[1], trace=trace if with_trace else None
        )


def test_one_prompt_begins_two_answers_by_two_models(pair: Pair) -> None:
    for thread, name in ((pair.left, "one"), (pair.right, "two")):
        prompt, answer = thread.messages.all()
        assert prompt.raw_text == "What is 4 + 5?"
        assert answer.state == MessageState.WRITING
        assert answer.checkpoint
        assert answer.checkpoint.name == name


def test_while_one_still_answers_nothing_is_added_to_the_other(pair: Pair, models: list[Checkpoint]) -> None:
    pair.left.messages.filter(state=MessageState.WRITING).update(state=MessageState.COMPLETE)
    with pytest.raises(ThreadBusyError):
        add_round(pair=pair, asked=asked(models, "And 5 + 6?"))
    assert pair.left.messages.count() == pair.right.messages.count() == 2
    complete(pair)
    left, right = add_round(pair=pair, asked=asked(models, "And 5 + 6?"))
    assert (left.position, right.position) == (3, 3)


def test_a_thread_stands_in_one_pair_only(pair: Pair) -> None:
    with pytest.raises(IntegrityError):
        Pair.objects.create(left=pair.left, right=pair.right)


def test_a_reload_shows_both_and_what_can_be_compared(visitor: Client, pair: Pair) -> None:
    address = f"/compare/{pair.pk}/"
    page = visitor.get(address).content.decode()
    assert page.count('class="prompt"') == 1
    assert page.count("sse-connect") == 2
    assert "Compare their traces" not in page
    complete(pair, with_trace=True)
    page = visitor.get(address).content.decode()
    assert "sse-connect" not in page
    left, right = (thread.messages.get(role="assistant").pk for thread in (pair.left, pair.right))
    together = visitor.get(f"{address}rounds/0/").content.decode()
    assert f"/compare/?left=answer-{left}&amp;right=answer-{right}" in together
    assert "hx-trigger" not in together


def test_pairs_have_their_own_list_and_leave_the_chats_alone(visitor: Client, pair: Pair) -> None:
    assert f"/compare/{pair.pk}/" in visitor.get("/compare/").content.decode()
    assert str(pair.left.pk) not in visitor.get("/").content.decode()


@pytest.mark.parametrize(
    ("verb", "address"),
    [("get", "/compare/{}/"), ("post", "/compare/{}/messages/"), ("get", "/compare/{}/rounds/0/")],
)
def test_other_peoples_pairs_do_not_exist(
    pair: Pair, models: list[Checkpoint], verb: str, address: str
) -> None:
    complete(pair)
    reader = Client()
    reader.force_login(User.objects.create_user("reader"))
    form = {"text": "Hello", "model": "one", "right": "two"}
    for stranger in (Client(), reader):
        for pk in (pair.pk, uuid.uuid4()):
            assert getattr(stranger, verb)(address.format(pk), form).status_code == 404
    assert Message.objects.count() == 4


def test_half_of_somebody_elses_pair_is_none_of_ones_own(visitor: Client, pair: Pair) -> None:
    Thread.objects.filter(pk=pair.right.pk).update(session_key="another")
    assert visitor.get(f"/compare/{pair.pk}/").status_code == 404


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"text": " "}, "Write something first."),
        ({"right": "none"}, "no model of that name"),
        ({"right": ""}, "Choose a model first."),
        ({"temperature": "nan"}, "Temperature: Enter a number."),
    ],
)
def test_what_cannot_be_sent_to_both_is_sent_to_neither(
    client: Client, models: list[Checkpoint], fields: dict[str, str], says: str
) -> None:
    form = {"text": "Hello", "model": "one", "right": "two"} | fields
    answer = client.post("/compare/", form, headers={"hx-request": "true"})
    assert answer.status_code == 422
    assert says in answer.content.decode()
    assert not Message.objects.exists()


def test_the_pickers_begin_with_the_models_asked_for(client: Client, models: list[Checkpoint]) -> None:
    page = client.get("/compare/?a=two&b=one").content.decode()
    left, right = page.split('id="right"')
    assert 'value="two" selected' in left
    assert 'value="one" selected' in right


def test_whose_turn_it_is_follows_from_who_has_waited_longest(models: list[Checkpoint]) -> None:
    for model in models:
        want(model)
    assert [place_in_queue(model) for model in models] == [1, 2, 3]
    now = timezone.now()
    Engine.objects.create(slot=0, state=EngineState.READY, checkpoint=models[0], heartbeat_at=now)
    assert [place_in_queue(model) for model in models[1:]] == [1, 2]
    Deployment.objects.filter(checkpoint=models[1]).update(wanted_at=now - timedelta(minutes=1))
    assert place_in_queue(models[2]) == 1
    want(models[1])
    assert place_in_queue(models[1]) == 2


def test_a_damaged_checkpoint_is_refused_at_once_with_the_reason(models: list[Checkpoint]) -> None:
    Checkpoint.objects.filter(pk=models[0].pk).update(damage="The weights are others.")
    with pytest.raises(EngineUnavailable, match="one cannot be served: The weights are others"):
        what_is_missing(models[0], waited_s=0, timeout_s=60)
