"""A thread is a tree: whatever is edited or asked again, what was there stays and can be reached."""

import uuid

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from hypothesis import given, settings
from hypothesis import strategies as st

from playground.branching.forking import fork_thread
from playground.branching.turns import STRETCH, stretch_of
from playground.chat.branches import (
    ids_to,
    links_of,
    newest_below,
    path_of,
    path_to,
    prompt_before,
    siblings_of,
)
from playground.chat.history import conversation
from playground.chat.threads import ThreadBusyError, add_turn, answer_again, edit_prompt
from playground.models import Attachment, Message, MessageState, Role, Thread
from playground.traces.lighting import Lighting
from tests.playground.branching.conftest import Tree, texts
from tracing.core.errors import InputError

pytestmark = pytest.mark.django_db


def test_a_thread_shows_the_path_to_what_was_written_last(tree: Tree) -> None:
    second = tree.say("two", "2")
    assert texts(path_of(tree.thread)) == ["one", "1", "two", "2"]
    other = tree.again(tree.first, "1b")
    assert texts(path_of(tree.thread)) == ["one", "1b"]
    tree.say("three", "3", after=other)
    assert texts(path_of(tree.thread)) == ["one", "1b", "three", "3"]
    assert texts(path_to(second)) == ["one", "1", "two", "2"]


def test_an_edited_prompt_stands_beside_the_first_with_an_answer_of_its_own(tree: Tree) -> None:
    second = tree.say("two", "2")
    assert second.parent
    tree.edit(second.parent, "deux", "II")
    assert texts(path_of(tree.thread)) == ["one", "1", "deux", "II"]
    assert Message.objects.get(pk=second.pk).raw_text == "2"
    links = links_of(tree.thread.pk)
    asked = siblings_of(ids_to(second.pk, links), links)[second.parent.pk]
    assert texts([Message.objects.get(pk=pk) for pk in asked]) == ["two", "deux"]


def test_an_edited_first_prompt_begins_the_thread_anew_beside_the_old_one(tree: Tree) -> None:
    assert tree.first.parent
    tree.edit(tree.first.parent, "uno", "I")
    assert texts(path_of(tree.thread)) == ["uno", "I"]


def test_a_model_is_told_the_path_before_its_answer_and_nothing_beside_it(tree: Tree) -> None:
    other = tree.again(tree.first, "1b")
    answer = tree.say("two", "2", after=other)
    Message.objects.update(checkpoint=None)
    answer.refresh_from_db()
    turns, prompt = conversation(answer)
    assert [turn["content"] for turn in turns] == ["one", "1b", "two"]
    assert (prompt, prompt_before(answer)) == ("two", "two")


@pytest.mark.parametrize("act", ["send", "again", "edit"])
def test_one_answer_of_a_thread_is_written_at_a_time_on_whatever_branch(tree: Tree, act: str) -> None:
    question = tree.first.parent
    assert question
    writing = add_turn(thread=tree.thread, prompt=tree.prompt("two"))
    acts = {
        "send": lambda: add_turn(thread=tree.thread, prompt=tree.prompt("x"), after=tree.first),
        "again": lambda: answer_again(answer=tree.first, prompt=tree.prompt("")),
        "edit": lambda: edit_prompt(message=question, prompt=tree.prompt("x")),
    }
    with pytest.raises(ThreadBusyError) as refused:
        acts[act]()
    assert refused.value.answer == writing
    assert tree.thread.messages.count() == 4


def test_the_database_itself_takes_no_second_answer_in_writing(tree: Tree) -> None:
    add_turn(thread=tree.thread, prompt=tree.prompt("two"))
    with pytest.raises(IntegrityError), transaction.atomic():
        Message.objects.filter(pk=tree.first.pk).update(state=MessageState.WRITING)


def test_an_answer_without_a_question_cannot_be_asked_again(tree: Tree) -> None:
    alone = Message.objects.create(thread=tree.thread, position=0, role=Role.ASSISTANT)
    with pytest.raises(InputError, match="no question"):
        answer_again(answer=alone, prompt=tree.prompt(""))


def test_a_fork_has_copies_of_all_up_to_a_message_and_leaves_the_rest_alone(tree: Tree, reader) -> None:
    second = tree.say("two", "2")
    Message.objects.filter(pk=tree.first.pk).update(token_ids=[4, 5], trace={"spans": []}, thinking_s=2.5)
    assert tree.first.parent
    file = Attachment.objects.create(
        owner=reader, name="a.txt", kind="text", text="x", characters=1, size_bytes=1
    )
    file.messages.add(tree.first.parent)
    fork = fork_thread(message=Message.objects.get(pk=tree.first.pk))
    asked, copy = path_of(fork)
    assert (fork.owner, fork.title, fork.forked_from_id) == (reader, tree.thread.title, tree.first.pk)
    assert (copy.raw_text, copy.token_ids, copy.trace, copy.thinking_s) == ("1", [4, 5], {"spans": []}, 2.5)
    assert list(asked.attachments.all()) == [file]
    assert texts(path_of(tree.thread)) == ["one", "1", "two", "2"]
    tree.thread.delete()
    assert texts(path_of(Thread.objects.get(pk=fork.pk))) == ["one", "1"]
    assert not Message.objects.filter(pk=second.pk).exists()


def test_an_answer_in_writing_cannot_be_forked_from(tree: Tree) -> None:
    answer = add_turn(thread=tree.thread, prompt=tree.prompt("two"))
    with pytest.raises(InputError, match="still being written"):
        fork_thread(message=answer)
    assert Thread.objects.count() == 1


def test_files_of_a_prompt_go_with_it_when_it_is_edited(tree: Tree, reader) -> None:
    file = Attachment.objects.create(
        owner=reader, name="a.txt", kind="text", text="x", characters=1, size_bytes=1
    )
    assert tree.first.parent
    file.messages.add(tree.first.parent)
    answer = tree.edit(tree.first.parent, "uno", "I")
    assert answer.parent
    assert list(answer.parent.attachments.all()) == [file]


@given(parents=st.lists(st.integers(0, 100), max_size=25))
@settings(max_examples=60)
def test_every_message_of_any_tree_is_on_the_newest_path_through_it(parents: list[int]) -> None:
    ids = [uuid.UUID(int=number) for number in range(len(parents) + 1)]
    links: dict[uuid.UUID, uuid.UUID | None] = {ids[0]: None}
    for number, parent in enumerate(parents, 1):
        links[ids[number]] = ids[parent % number]
    for pk in ids:
        path = ids_to(newest_below(pk, links), links)
        assert pk in path
        assert path[-1] not in links.values()
        siblings = siblings_of(path, links)
        assert all(one in siblings[one] for one in path)


def test_a_long_thread_is_shown_a_stretch_at_a_time_by_few_queries(tree: Tree) -> None:
    before = tree.first
    made = []
    for number in range(150):
        role = Role.ASSISTANT if number % 2 else Role.USER
        before = Message(
            thread=tree.thread, parent=before, position=number + 2, role=role, raw_text=str(number)
        )
        made.append(before)
    Message.objects.bulk_create(made)
    Thread.objects.filter(pk=tree.thread.pk).update(leaf=before)
    tree.thread.refresh_from_db()
    with CaptureQueriesContext(connection) as queries:
        end = stretch_of(tree.thread, lighting=Lighting())
    assert len(queries) <= 3
    assert [turn.message.raw_text for turn in end.turns] == [str(number) for number in range(90, 150)]
    assert (end.leaf, end.later) == (before.pk, "")
    assert f"until={made[90].pk}" in end.earlier
    middle = stretch_of(tree.thread, lighting=Lighting(), until=made[90].pk)
    assert [turn.message for turn in middle.turns] == made[30:90]
    found = stretch_of(tree.thread, lighting=Lighting(), at=made[40].pk)
    assert made[40] in [turn.message for turn in found.turns]
    assert len(found.turns) == STRETCH
    assert str(made[90].pk) in found.later
    assert found.leaf == before.pk
