"""The pages of a branching chat: versions lead to each other, and nobody else's can be touched."""

import uuid

import pytest
from django.test import Client
from redis import Redis

from accounts.models import User
from playground.models import Message, MessageState
from tests.playground.branching.conftest import Tree

pytestmark = pytest.mark.django_db
HTMX = {"hx-request": "true"}


@pytest.fixture
def browser(reader: User) -> Client:
    client = Client()
    client.force_login(reader)
    return client


def test_each_version_leads_to_those_beside_it(browser: Client, tree: Tree) -> None:
    other = tree.again(tree.first, "second words")
    page = browser.get(f"/chat/{tree.thread.pk}/").content.decode()
    assert "second words" in page
    assert "2 of 2" in page
    before = f"/chat/{tree.thread.pk}/?at={tree.first.pk}"
    assert f'href="{before}#turn-{tree.first.pk}"' in page
    assert f'name="after" value="{other.pk}"' in page
    earlier = browser.get(before).content.decode()
    assert "1 of 2" in earlier
    assert "second words" not in earlier
    assert f'name="after" value="{tree.first.pk}"' in earlier


@pytest.mark.parametrize("at", ["nonsense", "", "\0", str(uuid.uuid4())])
def test_an_unknown_place_in_a_thread_shows_the_thread(browser: Client, tree: Tree, at: str) -> None:
    page = browser.get(f"/chat/{tree.thread.pk}/", {"at": at, "until": at})
    assert page.status_code == 200
    assert f'id="turn-{tree.first.pk}"' in page.content.decode()


def test_the_box_to_edit_a_prompt_holds_its_text_with_and_without_javascript(
    browser: Client, tree: Tree
) -> None:
    question = tree.first.parent
    assert question
    Message.objects.filter(pk=question.pk).update(raw_text="</textarea><script>x</script>")
    whole = browser.get(f"/messages/{question.pk}/edit/").content.decode()
    part = browser.get(f"/messages/{question.pk}/edit/", headers=HTMX).content.decode()
    for html in (whole, part):
        assert "&lt;/textarea&gt;&lt;script&gt;x&lt;/script&gt;</textarea>" in html
    assert "<html" in whole
    assert "<html" not in part


@pytest.mark.parametrize("text", ["", "   ", "x" * 40_000, "a\0b"])
def test_an_edit_that_cannot_be_sent_is_refused_and_leaves_the_turns_alone(
    browser: Client, tree: Tree, text: str
) -> None:
    assert tree.first.parent
    address = f"/messages/{tree.first.parent_id}/edit/"
    response = browser.post(address, {"edited": text, "model": tree.checkpoint.name}, headers=HTMX)
    assert response.status_code == 422
    assert response["HX-Reswap"] == "none"
    assert tree.thread.messages.count() == 2


def test_a_model_that_is_gone_cannot_be_asked_again(browser: Client, tree: Tree) -> None:
    tree.checkpoint.delete()
    response = browser.post(f"/messages/{tree.first.pk}/again/", headers=HTMX)
    assert response.status_code == 422
    assert "Choose a model first" in response.content.decode()


def test_while_an_answer_is_written_another_is_refused_with_the_reason_and_the_way_to_it(
    browser: Client, tree: Tree, redis_server: Redis
) -> None:
    Message.objects.filter(pk=tree.first.pk).update(state=MessageState.WRITING)
    redis_server.set(f"headwater:answer:{tree.first.pk}:writer", "1", ex=60)
    form = {"text": "x", "model": tree.checkpoint.name}
    for address in (f"/messages/{tree.first.pk}/again/", f"/chat/{tree.thread.pk}/messages/"):
        response = browser.post(address, form, headers=HTMX)
        assert response.status_code == 422
        assert "still being written" in response.content.decode()
        assert f"?at={tree.first.pk}#turn-{tree.first.pk}" in response.content.decode()
    assert tree.thread.messages.count() == 2


def test_a_fork_is_a_thread_of_its_own(browser: Client, tree: Tree) -> None:
    response = browser.post(f"/messages/{tree.first.pk}/fork/")
    assert response.status_code == 302
    assert str(tree.thread.pk) not in response["location"]
    assert browser.get(response["location"]).status_code == 200


@pytest.mark.parametrize(
    ("verb", "address"),
    [
        ("get", "/messages/{prompt}/edit/"),
        ("post", "/messages/{prompt}/edit/"),
        ("post", "/messages/{answer}/again/"),
        ("post", "/messages/{answer}/fork/"),
        ("post", "/messages/{prompt}/fork/"),
    ],
)
def test_other_peoples_messages_do_not_exist(tree: Tree, verb: str, address: str) -> None:
    stranger = Client()
    stranger.force_login(User.objects.create_user("branching-stranger"))
    path = address.format(prompt=tree.first.parent_id, answer=tree.first.pk)
    for visitor in (Client(), stranger):
        assert getattr(visitor, verb)(path, {"edited": "x"}).status_code == 404
    assert tree.thread.messages.count() == 2


def test_a_prompt_is_edited_and_an_answer_asked_again_never_the_other_way_round(
    browser: Client, tree: Tree
) -> None:
    assert browser.post(f"/messages/{tree.first.pk}/edit/", {"edited": "x"}).status_code == 404
    assert browser.post(f"/messages/{tree.first.parent_id}/again/").status_code == 404


def test_a_prompt_cannot_be_put_behind_a_message_of_another_thread(
    browser: Client, tree: Tree, reader: User
) -> None:
    other = Tree(reader, tree.checkpoint)
    form = {"text": "x", "model": tree.checkpoint.name, "after": str(other.first.pk)}
    assert browser.post(f"/chat/{tree.thread.pk}/messages/", form).status_code == 404
    assert Message.objects.count() == 4


def test_the_box_goes_on_as_the_version_that_is_shown_was_made(browser: Client, tree: Tree) -> None:
    other = tree.again(tree.first, "second words")
    for answer, system in ((tree.first, "Be brief."), (other, "Be kind.")):
        Message.objects.filter(pk=answer.pk).update(parameters={"system": system})
    for answer, wanted, unwanted in ((tree.first, "Be brief.", "Be kind."), (other, "Be kind.", "Be brief.")):
        page = browser.get(f"/chat/{tree.thread.pk}/", {"at": answer.pk}).content.decode()
        assert wanted in page
        assert unwanted not in page
