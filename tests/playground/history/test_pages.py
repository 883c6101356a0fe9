"""The pages of a history, with and without JavaScript, and nobody else's."""

import json

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from playground.models import Message, Thread
from tests.playground.branching.conftest import Tree

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis_server")]
HTMX = {"hx-request": "true"}
EVIL = '"><script>alert(1)</script>'


def test_a_deleted_chat_is_nowhere_until_it_is_had_back(browser: Client, tree: Tree) -> None:
    address = f"/chat/{tree.thread.pk}/"
    response = browser.post(f"{address}delete/", follow=True)
    assert "Undo" in response.content.decode()
    assert browser.get(address).status_code == 404
    assert browser.get(f"/messages/{tree.first.pk}/stream/").status_code == 404
    assert "Deleted chats" in browser.get("/chats/").content.decode()
    assert browser.post(f"{address}restore/").status_code == 302
    assert browser.get(address).status_code == 200


def test_deleting_and_undoing_in_the_list_change_one_row(browser: Client, tree: Tree) -> None:
    gone = browser.post(f"/chat/{tree.thread.pk}/delete/", headers=HTMX).content.decode()
    assert gone.count("<li") == 1
    assert f"/chat/{tree.thread.pk}/restore/" in gone
    back = browser.post(f"/chat/{tree.thread.pk}/restore/", headers=HTMX).content.decode()
    assert f'id="chat-{tree.thread.pk}"' in back


def test_only_what_was_deleted_can_be_deleted_for_good(browser: Client, tree: Tree) -> None:
    assert browser.post(f"/chat/{tree.thread.pk}/purge/").status_code == 404
    browser.post(f"/chat/{tree.thread.pk}/delete/")
    assert browser.post(f"/chat/{tree.thread.pk}/purge/").status_code == 302
    assert not Thread.objects.exists()


def test_names_and_messages_are_shown_as_text(browser: Client, tree: Tree) -> None:
    browser.post(f"/chat/{tree.thread.pk}/rename/", {"title": EVIL})
    Message.objects.update(raw_text=f"needle {EVIL}")
    pages = ["/chats/", "/chats/?q=needle", f"/chats/?q={EVIL}", f"/chat/{tree.thread.pk}/", "/"]
    browser.post(f"/chat/{tree.thread.pk}/delete/")
    shown = [browser.get(f"/chats/?deleted={tree.thread.pk}"), browser.get("/chats/deleted/")]
    browser.post(f"/chat/{tree.thread.pk}/restore/")
    shown += [browser.get(page) for page in pages]
    for response in shown:
        assert response.status_code == 200
        assert "<script>alert" not in response.content.decode()


@pytest.mark.parametrize("headers", [{}, HTMX])
def test_a_name_that_will_not_do_is_refused_with_the_reason(
    browser: Client, tree: Tree, headers: dict[str, str]
) -> None:
    response = browser.post(f"/chat/{tree.thread.pk}/rename/", {"title": " "}, headers=headers)
    assert response.status_code == 422
    assert "needs a name" in response.content.decode()


@pytest.mark.parametrize(
    "query", ["page=0", "page=-1", "page=nan", "page=1e9", "q=" + "x" * 9000, "deleted=x"]
)
def test_a_strange_address_of_the_list_shows_the_list(browser: Client, tree: Tree, query: str) -> None:
    assert browser.get(f"/chats/?{query}").status_code == 200


def test_a_chat_goes_out_as_a_file_and_comes_in_again(browser: Client, tree: Tree) -> None:
    browser.post(f"/chat/{tree.thread.pk}/rename/", {"title": "../Rivers & “lakes”\r\nX: y"})
    for kind, suffix in (("json", "json"), ("markdown", "md")):
        response = browser.get(f"/chat/{tree.thread.pk}/export/{kind}/")
        name = f"rivers-lakes-x-y.{suffix}"
        assert response["content-disposition"] == f'attachment; filename="{name}"'
        file = SimpleUploadedFile(name, response.content)
        imported = browser.post("/chats/import/", {"file": file})
        assert imported.status_code == 302
        page = browser.get(imported["location"]).content.decode()
        assert "imported" in page
        assert tree.first.raw_text in page
    assert Thread.objects.count() == 3


def test_traces_go_out_with_a_chat_when_they_are_asked_for(browser: Client, tree: Tree) -> None:
    Message.objects.filter(pk=tree.first.pk).update(trace={"spans": [], "documents": []})
    plain = json.loads(browser.get(f"/chat/{tree.thread.pk}/export/json/").content)
    traced = json.loads(browser.get(f"/chat/{tree.thread.pk}/export/json/?traces=1").content)
    assert [("trace" in message) for message in plain["messages"]] == [False, False]
    assert [("trace" in message) for message in traced["messages"]] == [False, True]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "The file is empty"),
        (b"\xff\xfe\x00", "no UTF-8 text"),
        (b"{", "no JSON"),
        (b'[{"role": "user", "content": 1e999}]', "was not imported"),
        (b"Just words", "Put a line"),
        (b"\0" * 100, "Put a line"),
    ],
)
def test_a_file_that_is_no_chat_is_refused_with_the_reason(
    browser: Client, content: bytes, says: str
) -> None:
    response = browser.post("/chats/import/", {"file": SimpleUploadedFile("../../x.md", content)})
    assert response.status_code == 422
    assert says in response.content.decode()
    assert not Thread.objects.exists()


def test_an_import_needs_a_file(browser: Client) -> None:
    assert "Choose a file first" in browser.post("/chats/import/", {"file": "text"}).content.decode()


def test_a_null_in_a_file_is_kept_as_a_sign(browser: Client) -> None:
    content = json.dumps(
        [{"role": "user", "content": "a\0b"}, {"role": "assistant", "content": "c\0"}]
    ).encode()
    response = browser.post("/chats/import/", {"file": SimpleUploadedFile("x.json", content)})
    assert response.status_code == 302
    assert sorted(Message.objects.values_list("raw_text", flat=True)) == ["a\ufffdb", "c\ufffd"]


def test_a_temporary_chat_is_out_of_the_history_until_it_is_kept(browser: Client, tree: Tree) -> None:
    Thread.objects.update(temporary=True)
    assert "temporary chat" in browser.get(f"/chat/{tree.thread.pk}/").content.decode()
    assert str(tree.thread.pk) not in browser.get("/chats/").content.decode()
    browser.post(f"/chat/{tree.thread.pk}/keep/")
    assert str(tree.thread.pk) in browser.get("/chats/").content.decode()


@pytest.mark.parametrize(
    ("verb", "address"),
    [
        ("post", "rename/"),
        ("post", "delete/"),
        ("post", "restore/"),
        ("post", "purge/"),
        ("post", "keep/"),
        ("get", "export/markdown/"),
        ("get", "export/json/"),
    ],
)
@pytest.mark.parametrize("is_deleted", [False, True])
def test_other_peoples_chats_do_not_exist(
    browser: Client, stranger: Client, tree: Tree, verb: str, address: str, is_deleted: bool
) -> None:
    if is_deleted:
        browser.post(f"/chat/{tree.thread.pk}/delete/")
    for visitor in (Client(), stranger):
        response = getattr(visitor, verb)(f"/chat/{tree.thread.pk}/{address}", {"title": "mine"})
        assert response.status_code == 404
    assert (Thread.objects.get().title, Thread.objects.get().deleted_at is not None) == ("one", is_deleted)


def test_nobody_finds_other_peoples_words(stranger: Client, tree: Tree) -> None:
    for page in ("/chats/", "/chats/?q=one", f"/chats/?deleted={tree.thread.pk}", "/chats/deleted/"):
        assert str(tree.thread.pk) not in stranger.get(page).content.decode()
