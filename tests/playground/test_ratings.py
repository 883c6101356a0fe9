"""Ratings, consent, and rated chats that become rows which say so where a trace lands on them."""

from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.audit import Actor
from accounts.models import AuditEntry, User
from playground.models import Consent, Message, MessageState, RatedRow, Rating, Role, Thread
from playground.ratings.datasets import make_dataset
from playground.ratings.models import Opinion
from playground.ratings.rows import rated_chats
from playground.ratings.services import CONSENT_WORDING, give_consent, rate, withdraw_consent
from tracing.core.errors import InputError
from tracing.core.request import TraceRequest
from tracing.core.trace import Tracer
from tracing.services import open_store, open_tokenizer
from tracing.withholding.lookup import reasons_for
from training.core.tokenizer import save_tokenizer, train_tokenizer
from training.datasets.services import ready_store
from training.datasets.validation import work_on
from training.models import Checkpoint, DatasetState

pytestmark = pytest.mark.django_db
EVIL = "<script>alert(1)</script>"


@pytest.fixture
def ada() -> User:
    return User.objects.create_user("ada")


@pytest.fixture
def browser(ada: User) -> Client:
    client = Client()
    client.force_login(ada)
    return client


@pytest.fixture
def admin() -> User:
    return User.objects.create_user("admin", is_staff=True)


def chat(owner: User, *texts: str, **fields: Any) -> Thread:
    """A chat of these texts, a question first."""
    thread, parent = Thread.objects.create(owner=owner, title="Chat", **fields), None
    for position, text in enumerate(texts):
        role = (Role.USER, Role.ASSISTANT)[position % 2]
        parent = Message.objects.create(
            thread=thread, position=position, role=role, raw_text=text, parent=parent
        )
    return thread


def answers(thread: Thread) -> list[Message]:
    return list(thread.messages.filter(role=Role.ASSISTANT).order_by("position", "created_at"))


def beside(answer: Message, text: str) -> Message:
    """Another answer to the same question."""
    return Message.objects.create(
        thread=answer.thread,
        position=answer.position,
        role=Role.ASSISTANT,
        raw_text=text,
        parent=answer.parent,
    )


def given(thread: Thread, *opinions: Opinion) -> None:
    """Consent, and a rating of each answer in order."""
    give_consent(thread=thread)
    for answer, opinion in zip(answers(thread), opinions, strict=False):
        rate(message=answer, opinion=opinion)


def rows(format: str = "chat") -> list[dict[str, Any]]:
    return [{k: v for k, v in found.row.items() if k != "origin"} for found in rated_chats(format)]


def test_an_answer_is_rated_changed_commented_and_taken_back(browser: Client, ada: User) -> None:
    (answer,) = answers(chat(ada, "Hi?", "Hello."))
    address = f"/messages/{answer.pk}/rate/"
    htmx = {"hx-request": "true"}
    content = browser.post(address, {"opinion": "up"}, headers=htmx).content.decode()
    assert CONSENT_WORDING in content.replace("&#x27;", "'")
    assert 'value="none" aria-pressed="true">Good' in content
    browser.post(address, {"opinion": "flag", "details": "1", "comment": f"No. {EVIL}"}, headers=htmx)
    rating = Rating.objects.get()
    assert (rating.opinion, rating.comment) == (Opinion.FLAG, f"No. {EVIL}")
    assert EVIL not in browser.get(f"/messages/{answer.pk}/rating/").content.decode()
    browser.post(address, {"opinion": "none"})
    assert not Rating.objects.exists()
    assert not Consent.objects.exists()


@pytest.mark.parametrize(
    "fields", [{}, {"opinion": "best"}, {"opinion": "up", "details": "1", "comment": "x" * 2001}]
)
def test_what_is_no_rating_is_refused(browser: Client, ada: User, fields: dict[str, str]) -> None:
    (answer,) = answers(chat(ada, "Hi?", "Hello."))
    assert browser.post(f"/messages/{answer.pk}/rate/", fields).status_code == 422
    assert not Rating.objects.exists()


def test_nobody_rates_other_peoples_answers_or_what_is_unfinished(browser: Client, ada: User) -> None:
    (answer,) = answers(chat(ada, "Hi?", "Hello."))
    mallory = Client()
    mallory.force_login(User.objects.create_user("mallory"))
    for visitor in (mallory, Client()):
        assert visitor.post(f"/messages/{answer.pk}/rate/", {"opinion": "up"}).status_code == 404
        assert visitor.get(f"/messages/{answer.pk}/rating/").status_code == 404
    assert browser.post(f"/messages/{answer.parent_id}/rate/", {"opinion": "up"}).status_code == 404
    Message.objects.filter(pk=answer.pk).update(state=MessageState.WRITING)
    assert browser.post(f"/messages/{answer.pk}/rate/", {"opinion": "up"}).status_code == 422
    assert not Rating.objects.exists()


def test_consent_is_recorded_in_its_words_and_can_be_taken_back(browser: Client, ada: User) -> None:
    thread = chat(ada, "Hi?", "Hello.")
    address = f"/messages/{answers(thread)[0].pk}/rate/"
    fields = {"opinion": "up", "details": "1", "comment": ""}
    for _ in range(2):
        browser.post(address, fields | {"consent": "1"})
    consent = Consent.objects.get()
    assert (consent.thread, consent.wording, consent.withdrawn_at) == (thread, CONSENT_WORDING, None)
    browser.post(address, {"opinion": "down"})
    consent.refresh_from_db()
    assert consent.withdrawn_at is None, "a new opinion alone says nothing of consent"
    browser.post(address, fields)
    consent.refresh_from_db()
    assert consent.withdrawn_at
    assert rows() == []


def test_the_last_rating_that_is_taken_back_takes_the_consent_along(browser: Client, ada: User) -> None:
    given(thread := chat(ada, "One?", "Uno.", "Two?", "Dos."), Opinion.UP, Opinion.UP)
    living = Consent.objects.filter(thread=thread, withdrawn_at=None)
    for answer, left in zip(answers(thread), (True, False), strict=True):
        browser.post(f"/messages/{answer.pk}/rate/", {"opinion": "none"})
        assert living.exists() == left


def test_only_consented_kept_chats_with_a_good_answer_become_rows(ada: User) -> None:
    given(chat(ada, "Yes?", "Yes."), Opinion.UP)
    rate(message=answers(chat(ada, "No consent?", "None."))[0], opinion=Opinion.UP)
    given(chat(ada, "Bad?", "Bad."), Opinion.DOWN)
    given(chat(ada, "Gone?", "Gone."), Opinion.UP)
    Thread.objects.filter(messages__raw_text="Gone.").update(deleted_at=timezone.now())
    given(imported := chat(ada, "From a file?", "Yes."), Opinion.UP)
    imported.messages.update(imported=True)
    given(chat(ada, "Spells?", "<|im_end|> it out"), Opinion.UP)
    with pytest.raises(InputError, match="temporary"):
        give_consent(thread=chat(ada, "Temporary?", "Yes.", temporary=True))
    assert [row["messages"][0]["content"] for row in rows()] == ["Yes?"]


def test_only_good_answers_are_learned_and_flagged_paths_are_left_out(ada: User) -> None:
    thread = chat(ada, "One?", "<think>Hm.</think>Uno.", "Two?", "Dos.", "Three?", "<think>So.</think>Tres.")
    tres = Message.objects.filter(thread=thread, raw_text__endswith="Tres.")
    tres.update(parameters={"system": "Spanish."})
    given(thread, Opinion.DOWN, Opinion.UP, Opinion.UP)
    (row,) = rows()
    assert row["messages"] == [
        {"role": "system", "content": "Spanish."},
        {"role": "user", "content": "One?"},
        {"role": "assistant", "content": "Uno.", "weight": 0},
        {"role": "user", "content": "Two?"},
        {"role": "assistant", "content": "Dos."},
        {"role": "user", "content": "Three?"},
        {"role": "assistant", "content": "<think>So.</think>Tres."},
    ]
    rate(message=answers(thread)[0], opinion=Opinion.FLAG)
    assert rows() == []


def test_a_good_answer_is_preferred_to_a_worse_one_beside_it(ada: User) -> None:
    thread = chat(ada, "One?", "Uno.")
    worse, unrated = beside(answers(thread)[0], "Ein."), beside(answers(thread)[0], "Un.")
    give_consent(thread=thread)
    rate(message=answers(thread)[0], opinion=Opinion.UP)
    rate(message=worse, opinion=Opinion.DOWN)
    (row,) = rows("preference")
    assert row["input"] == {"messages": [{"role": "user", "content": "One?"}]}
    assert row["preferred_output"][0]["content"] == "Uno."
    assert row["non_preferred_output"][0]["content"] == "Ein."
    assert unrated.raw_text not in str(row)


@pytest.fixture
def by(admin: User) -> Actor:
    return Actor("admin", admin)


@pytest.fixture
def learner(home: Path) -> Checkpoint:
    """A checkpoint that data sets are made for: its tokenizer is all that this takes."""
    folder = home / "checkpoints" / "rated-tiny"
    save_tokenizer(train_tokenizer(["A heron greets the river at dawn."] * 9, 400), folder, chat="chatml")
    digest = open_tokenizer(folder).digest
    return Checkpoint.objects.create(
        name="rated-tiny", stage="instruct-sft", step=1, steps=1, final=True, chat="chatml", tokenizer=digest
    )


@pytest.mark.usefixtures("redis_server")
def test_a_trace_that_lands_on_a_rated_chat_says_so_until_consent_is_withdrawn(
    ada: User, admin: User, by: Actor, learner: Checkpoint
) -> None:
    words = "A heron named Ottoline greets the river at dawn."
    given(chat(ada, "Other?", "Something else entirely."), Opinion.UP)
    given(thread := chat(ada, "Who speaks?", words), Opinion.UP)
    dataset = make_dataset(owner=admin, format="chat", licence="CC BY 4.0", by=by)
    work_on(str(dataset.pk))
    dataset.refresh_from_db()
    assert (dataset.state, dataset.rows) == (DatasetState.READY, 2)
    assert AuditEntry.objects.get(action="make data set of ratings").detail == {"rows": 2, "chats": 2}
    assert [row.thread for row in RatedRow.objects.all()][1] == thread
    store = ready_store(dataset=dataset, checkpoint=learner)
    tokenizer = open_tokenizer(learner.path)
    trace = Tracer([open_store(store)], tokenizer).trace(TraceRequest.of_text(words, tokenizer)).to_json()
    landed = next(found for found in trace["documents"] if found["title"].endswith("row 2"))
    assert landed["origin"].startswith("A chat that was rated here on ")
    assert landed["origin"] in Client().get(f"/stores/{store.name}/documents/{landed['document']}/").text
    withdraw_consent(thread=thread, by=Actor("ada", ada))
    assert reasons_for(store.name, range(2)) == {landed["document"]: "taken down"}
    assert RatedRow.objects.get(line=2).withdrawn_at
    assert [row["messages"][0]["content"] for row in rows()] == ["Other?"]


def test_without_a_rated_chat_there_is_no_data_set(admin: User, by: Actor) -> None:
    with pytest.raises(InputError, match="No rated chat can be a row yet"):
        make_dataset(owner=admin, format="chat", licence="", by=by)


@pytest.fixture
def office(admin: User) -> Client:
    client = Client()
    client.force_login(admin)
    return client


def test_administrators_see_flags_and_what_they_do_is_logged(office: Client, ada: User) -> None:
    thread = chat(ada, f"What? {EVIL}", f"So. {EVIL}")
    flag = rate(message=answers(thread)[0], opinion=Opinion.FLAG, comment=f"Look. {EVIL}")
    content = office.get("/ratings/").content.decode()
    assert "Look. &lt;script&gt;" in content
    assert EVIL not in content
    assert office.post("/ratings/", {"format": "parquet"}).status_code == 422
    assert "No rated chat" in office.post("/ratings/", {"format": "chat"}).content.decode()
    assert office.post(f"/ratings/{flag.pk}/reviewed/").status_code == 302
    assert "Nothing is waiting" in office.get("/ratings/").content.decode()
    assert AuditEntry.objects.get(action="review flag").object_id == str(flag.message_id)


def test_others_see_no_ratings(browser: Client, ada: User) -> None:
    flag = rate(message=answers(chat(ada, "A?", "B."))[0], opinion=Opinion.FLAG)
    assert browser.get("/ratings/").status_code == 403
    assert browser.post(f"/ratings/{flag.pk}/reviewed/").status_code == 403
    assert Client().get("/ratings/").status_code == 302
    assert Rating.objects.get().reviewed_at is None
