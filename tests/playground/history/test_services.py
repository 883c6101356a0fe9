"""Chats are found by any words in them, come back after a deletion, and go for good in the end."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import User
from accounts.owners import Owner
from playground.chat.branches import path_of
from playground.core.chat_files.as_json import read_json
from playground.core.chat_files.as_markdown import read_markdown
from playground.core.chat_files.chat import ChatFile, FileMessage
from playground.history.files import exported_json, exported_markdown, import_chat
from playground.history.searching import excerpt, found_in, threads_with, words_of
from playground.history.services import delete_thread, purge_threads, rename_thread, restore_thread
from playground.models import Attachment, Message, MessageState, Thread
from tests.playground.branching.conftest import Tree, texts
from tests.playground.tiny_model import digest, write_checkpoint
from tracing.core.errors import InputError
from tracing.core.text.tokenizer import TextTokenizer
from training.models import Checkpoint

pytestmark = pytest.mark.django_db


def found(query: str) -> list[Thread]:
    return list(threads_with(Thread.objects.listed(), words_of(query)))


@pytest.fixture
def rivers(tree: Tree) -> Thread:
    tree.say("Where does the Elbe rise?", "In the Riesengebirge, at 1,386 m: 100 % ŠPINDLERŮV MLÝN.")
    rename_thread(thread=tree.thread, title="Rivers of Europe")
    return tree.thread


@pytest.mark.parametrize(
    "query",
    ["elbe", "RIVERS elbe", "rise riesen", "100 %", "špindlerův mlýn", "europe", "  elbe\0 ", "1,386", ""],
)
def test_a_chat_is_found_by_all_of_the_words_wherever_they_stand(rivers: Thread, query: str) -> None:
    assert found(query) == [rivers]


@pytest.mark.parametrize(
    "query", ["elbe danube", "1_386", "100%", "e.be", "špindlerův praha", "'; drop table"]
)
def test_a_chat_without_one_of_the_words_is_not_found(rivers: Thread, query: str) -> None:
    assert found(query) == []


def test_words_on_another_branch_are_found_and_lead_there(tree: Tree) -> None:
    hidden = tree.first
    Message.objects.filter(pk=hidden.pk).update(raw_text="a word like nothing else: sesquipedalian")
    tree.again(hidden, "shown")
    [item] = found_in(found("SESQUIPEDALIAN"), ["SESQUIPEDALIAN"])
    assert item.message_id == hidden.pk
    assert (True, "sesquipedalian") in item.excerpt


def test_an_excerpt_shows_every_match_near_the_first_and_loses_no_letter() -> None:
    text = "x" * 500 + " The Elbe and the elbe. " + "y" * 500
    parts = excerpt(text, ["elbe", "el"])
    assert [part for is_match, part in parts if is_match] == ["Elbe", "elbe"]
    shown = "".join(part for _, part in parts)
    assert shown.startswith("… ")
    assert shown.endswith(" …")
    assert shown.removeprefix("… ").removesuffix(" …") in text


def test_temporary_deleted_and_paired_chats_are_not_listed(tree: Tree) -> None:
    assert found("") == [tree.thread]
    Thread.objects.update(temporary=True)
    assert found("") == []
    Thread.objects.update(temporary=False)
    delete_thread(thread=tree.thread)
    assert found("") == []
    restore_thread(thread=tree.thread)
    assert found("") == [tree.thread]


@pytest.mark.parametrize(("title", "kept"), [("  a\n b ", "a b"), ("x" * 200, "x" * 200), ("a\0b", "a b")])
def test_a_chat_is_called_what_its_owner_says(tree: Tree, title: str, kept: str) -> None:
    rename_thread(thread=tree.thread, title=title)
    assert Thread.objects.get(pk=tree.thread.pk).title == kept


@pytest.mark.parametrize("title", ["", " \n ", "\0", "x" * 201])
def test_a_chat_keeps_its_name_where_none_is_given(tree: Tree, title: str) -> None:
    with pytest.raises(InputError):
        rename_thread(thread=tree.thread, title=title)
    assert Thread.objects.get(pk=tree.thread.pk).title == "one"


def test_only_what_was_deleted_long_ago_or_was_temporary_goes_for_good(tree: Tree, reader: User) -> None:
    long_ago, lately = timezone.now() - timedelta(days=31), timezone.now() - timedelta(days=29)
    for title, fields in {
        "deleted long ago": {"deleted_at": long_ago},
        "deleted lately": {"deleted_at": lately},
        "temporary, over": {"temporary": True, "updated_at": timezone.now() - timedelta(hours=25)},
        "temporary": {"temporary": True, "updated_at": timezone.now() - timedelta(hours=23)},
        "old": {"updated_at": long_ago},
    }.items():
        made = Thread.objects.create(owner=reader, title=title)
        Message.objects.create(thread=made, position=0, role="user", raw_text=title)
        Thread.objects.filter(pk=made.pk).update(**fields)
    busy = Thread.objects.create(owner=reader, title="busy", temporary=True, updated_at=long_ago)
    Message.objects.create(thread=busy, position=0, role="assistant", state=MessageState.WRITING)
    assert purge_threads() == 2
    left = set(Thread.objects.values_list("title", flat=True))
    assert left == {"one", "deleted lately", "temporary", "old", "busy"}
    assert purge_threads() == 0


def test_an_exported_chat_is_imported_with_every_branch_and_marked_as_such(tree: Tree, reader: User) -> None:
    tree.say("two", "2")
    other = tree.again(tree.first, "1b")
    tree.say("three", "<think>\nwell\n</think>\n\n3", after=other)
    Message.objects.filter(pk=other.pk).update(parameters={"temperature": 0.5, "system": "Be brief."})
    again = import_chat(owner=Owner(reader), chat=read_json(exported_json(tree.thread)))
    assert texts(path_of(again)) == texts(path_of(tree.thread))
    assert again.messages.count() == tree.thread.messages.count() == 7
    assert set(again.messages.values_list("imported", flat=True)) == {True}
    copy = again.messages.get(raw_text="1b")
    assert (copy.parameters["temperature"], copy.parameters["system"]) == (0.5, "Be brief.")
    assert copy.checkpoint == tree.checkpoint
    assert exported_json(again).count('"text"') == 7


def test_markdown_holds_the_path_that_is_shown(tree: Tree, reader: User) -> None:
    second = tree.say("two", "2")
    tree.again(tree.first, "1b")
    assert texts(
        path_of(import_chat(owner=Owner(reader), chat=read_markdown(exported_markdown(tree.thread))))
    ) == [
        "one",
        "1b",
    ]
    whole = exported_markdown(tree.thread, at=second.pk)
    assert [message.text for message in read_markdown(whole).messages] == ["one", "1", "two", "2"]


def test_token_ids_are_imported_only_where_they_spell_the_text(reader: User, settings, tmp_path) -> None:
    settings.HOME = tmp_path
    folder = tmp_path / "checkpoints" / "history-tiny"
    write_checkpoint(folder, seed=1, hidden=128)
    Checkpoint.objects.create(
        name="history-tiny", stage="sft", step=1, steps=1, digest=digest(folder / "model.safetensors")
    )
    ids = TextTokenizer.open(folder).encode("Hello there")[0]
    said = {"role": "assistant", "model": "history-tiny", "token_ids": ids}
    messages = [
        FileMessage(id="a", text="Hello there", **said),
        FileMessage(id="b", text="Hello, forged", **said),
        FileMessage(id="c", text="x", **said | {"token_ids": [4_000_000_000]}),
    ]
    thread = import_chat(owner=Owner(reader), chat=ChatFile(messages=messages))
    assert list(thread.messages.order_by("created_at").values_list("token_ids", flat=True)) == [ids, [], []]


def test_parameters_that_no_answer_could_have_are_not_imported(reader: User) -> None:
    message = FileMessage(id="a", role="assistant", text="x", parameters={"temperature": "hot", "evil": 1})
    thread = import_chat(owner=Owner(reader), chat=ChatFile(messages=[message]))
    assert thread.messages.get().parameters == {}


def test_an_export_names_the_files_of_a_chat_with_their_sizes_and_not_their_text(
    tree: Tree, reader: User
) -> None:
    file = Attachment.objects.create(
        owner=reader,
        name="tides\n## You.pdf",
        kind="pdf",
        text="secret tides",
        characters=1234,
        pages=3,
        size_bytes=9,
    )
    file.messages.add(path_of(tree.thread)[0])
    told = exported_markdown(tree.thread)
    assert "## You, with tides ## You.pdf (3 pages, 1,234 characters)\n\none\n" in told
    assert [message.text for message in read_markdown(told).messages] == ["one", "1"]
    chat = read_json(exported_json(tree.thread))
    assert [(note.characters, note.pages) for note in chat.messages[0].files] == [(1234, 3)]
    assert "secret" not in told + exported_json(tree.thread)
    again = import_chat(owner=Owner(reader), chat=chat)
    assert not Attachment.objects.filter(messages__thread=again).exists()
