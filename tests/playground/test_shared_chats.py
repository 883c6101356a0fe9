"""Links to chats: what they show, for how long, to whom; and that nothing in them is markup."""

import uuid
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import User
from accounts.owners import Owner
from playground.models import Attachment, Message, MessageState, Role, SharedThread, SharedTurn, Thread
from playground.sharing.services import share_thread
from playground.sharing.views import PAGE_TURNS
from tests.playground.test_trace_pages import EVIL, RAW, answer_of, document, trace_of

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def ada() -> User:
    return User.objects.create_user("ada")


@pytest.fixture
def browser(ada: User) -> Client:
    client = Client()
    client.force_login(ada)
    return client


@pytest.fixture
def thread(ada: User) -> Thread:
    """A chat whose question, answer, title and documents are hostile."""
    text = f"<think>Hm. {EVIL}</think>It is so. {EVIL}"
    answer = answer_of(ada, text, trace_of(text, [document(1, title=EVIL), document(2)]))
    Message.objects.filter(thread=answer.thread, role=Role.USER).update(raw_text=f"What? {EVIL}")
    question = answer.thread.messages.get(role=Role.USER)
    Message.objects.filter(pk=answer.pk).update(parent=question, parameters={"system": f"Be brief. {EVIL}"})
    Thread.objects.filter(pk=answer.thread_id).update(title=EVIL)
    return Thread.objects.get(pk=answer.thread_id)


def shared(thread: Thread, **options: timedelta) -> SharedThread:
    return share_thread(owner=Owner(thread.owner), thread=thread, **options)


def test_a_stranger_reads_the_chat_as_it_was_with_its_traces(browser: Client, thread: Thread) -> None:
    address = f"/chat/{thread.pk}/share/"
    response = browser.post(address, {"days": "7"}, headers={"hx-request": "true"})
    link = SharedThread.objects.get()
    assert f"http://testserver/shared/chats/{link.token}/" in response.content.decode()
    assert link.expires_at
    Message.objects.filter(thread=thread).update(raw_text="other", trace=None)
    reader = Client().get(f"/shared/chats/{link.token}/")
    content = reader.content.decode()
    assert "It is so." in content
    assert "Be brief." in content
    assert "other" not in content
    assert reader["X-Robots-Tag"] == "noindex, nofollow"
    assert reader["Referrer-Policy"] == "no-referrer"
    answer = SharedTurn.objects.get(role=Role.ASSISTANT)
    panel = Client().get(f"/shared/chats/{link.token}/{answer.position}/spans/0-5/")
    assert "Book 2" in panel.content.decode()
    assert f"/shared/chats/{link.token}/{answer.position}/spans/" in content


def test_nothing_in_a_shared_chat_is_markup(browser: Client, thread: Thread) -> None:
    link = shared(thread)
    position = SharedTurn.objects.get(role=Role.ASSISTANT).position
    for page in (
        "/shares/",
        f"/shared/chats/{link.token}/",
        f"/shared/chats/{link.token}/{position}/spans/0-5/",
    ):
        content = browser.get(page).content.decode()
        assert not [raw for raw in RAW if raw in content], page
    assert "&lt;script&gt;" in browser.get(f"/shared/chats/{link.token}/").content.decode()


def test_a_revoked_or_expired_link_leads_nowhere_and_keeps_nothing(browser: Client, thread: Thread) -> None:
    link = shared(thread)
    assert browser.post(f"/shares/chats/{link.pk}/revoke/").status_code == 302
    assert Client().get(f"/shared/chats/{link.token}/").status_code == 404
    assert not SharedTurn.objects.exists()
    other = shared(thread)
    SharedThread.objects.filter(pk=other.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    for address in (f"/shared/chats/{other.token}/", f"/shared/chats/{other.token}/1/spans/0-5/"):
        assert Client().get(address).status_code == 404
    assert "expired" in browser.get("/shares/").content.decode()


def test_the_same_chat_keeps_its_link_and_a_changed_one_gets_another(thread: Thread) -> None:
    first = shared(thread)
    again = shared(thread, expires_in=timedelta(days=1))
    assert (again.pk, again.expires_at is None) == (first.pk, False)
    last = thread.messages.get(role=Role.ASSISTANT)
    Message.objects.create(thread=thread, position=2, role=Role.USER, raw_text="And?", parent=last)
    assert shared(thread).pk != first.pk


def test_someone_elses_chat_is_neither_shared_nor_revoked(thread: Thread) -> None:
    link = shared(thread)
    mallory, nobody = Client(), Client()
    mallory.force_login(User.objects.create_user("mallory"))
    for visitor in (mallory, nobody):
        for pk in (thread.pk, uuid.uuid4()):
            assert visitor.post(f"/chat/{pk}/share/").status_code == 404
        assert visitor.post(f"/shares/chats/{link.pk}/revoke/").status_code == 404
        assert EVIL.replace("<", "&lt;").replace(">", "&gt;") not in visitor.get("/shares/").content.decode()
        assert visitor.get(f"/shared/chats/{link.token}x/").status_code == 404
    assert SharedThread.objects.living().get() == link


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"temporary": True}, "temporary chat is not kept"),
        ({"state": MessageState.WRITING}, "still being written"),
    ],
)
def test_what_cannot_be_shared_is_refused_with_the_reason(
    browser: Client, thread: Thread, change: dict[str, object], says: str
) -> None:
    rows = Message.objects.filter(thread=thread, role=Role.ASSISTANT)
    (rows if "state" in change else Thread.objects.filter(pk=thread.pk)).update(**change)
    for headers in ({}, {"hx-request": "true"}):
        response = browser.post(f"/chat/{thread.pk}/share/", headers=headers)
        assert response.status_code == 422
        assert says in response.content.decode()
    assert not SharedThread.objects.exists()


def test_only_the_path_that_is_shown_is_shared(thread: Thread) -> None:
    question = thread.messages.get(role=Role.USER)
    Message.objects.create(
        thread=thread, position=1, role=Role.ASSISTANT, raw_text="Another answer.", parent=question
    )
    content = Client().get(f"/shared/chats/{shared(thread).token}/").content.decode()
    assert "Another answer." in content
    assert "It is so." not in content


def test_a_long_chat_is_shown_in_pages(ada: User) -> None:
    thread, parent = Thread.objects.create(owner=ada, title="Long"), None
    for position in range(PAGE_TURNS + 3):
        role = (Role.USER, Role.ASSISTANT)[position % 2]
        parent = Message.objects.create(
            thread=thread, position=position, role=role, raw_text=f"turn {position}.", parent=parent
        )
    address = f"/shared/chats/{shared(thread).token}/"
    first = Client().get(address).content.decode()
    assert f"turn {PAGE_TURNS}." not in first
    assert f"?from={PAGE_TURNS}" in first
    for start in (PAGE_TURNS, PAGE_TURNS + 2):
        assert f"turn {PAGE_TURNS}." in Client().get(f"{address}?from={start}").content.decode()
    assert Client().get(f"{address}?from=9999").status_code == 404
    assert "turn 0." in Client().get(f"{address}?from=nan").content.decode()


def test_what_is_withheld_now_is_not_in_a_shared_chat(thread: Thread) -> None:
    from tracing.models import StoreVersion, Withholding

    link = shared(thread)
    position = SharedTurn.objects.get(role=Role.ASSISTANT).position
    address = f"/shared/chats/{link.token}/{position}/spans/0-5/"
    StoreVersion.objects.create(store_name="books", digest="d", version=2)
    Withholding.objects.create(store_name="books", digest="d", document=2, reason="taken down", version=2)
    content = Client().get(address).content.decode()
    assert "Book 2" not in content
    assert "1 was taken down." in content


def test_a_link_names_the_files_of_a_chat_and_keeps_their_text_back(thread: Thread) -> None:
    file = {
        "name": f"{EVIL}.md",
        "kind": "markdown",
        "text": "Tides rise.",
        "characters": 1234,
        "size_bytes": 9,
    }
    Attachment.objects.create(owner=thread.owner, **file).messages.add(thread.messages.get(role=Role.USER))
    link = shared(thread)
    Attachment.objects.all().delete()
    content = Client().get(f"/shared/chats/{link.token}/").content.decode()
    assert "&lt;script&gt;alert(1)&lt;/script&gt;.md" in content
    assert "1,234 characters" in content
    assert "Tides rise." not in content
    assert not [raw for raw in RAW if raw in content]
