"""Calls go along with a chat: into forks, files, links, lists of messages and data sets."""

import json
from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from accounts.owners import Owner
from playground.branching.forking import fork_thread
from playground.chat.history import conversation
from playground.core.chat_files.as_json import read_json
from playground.core.chat_files.as_markdown import read_markdown
from playground.core.chat_files.chat import ChatFileError
from playground.history.files import exported_json, exported_markdown, import_chat
from playground.models import Message, Rating, ToolServer
from playground.ratings.models import Opinion
from playground.ratings.rows import conversations, preferences
from playground.sharing.services import share_thread
from playground.tools import calls
from playground.tools.keeping import NOT_BROUGHT
from playground.tools.models import CallState
from playground.tools.presentation import CallsView
from tests.playground.tools.conftest import Answered, calling, finished
from training.core.datasets.formats import read_row
from training.core.datasets.rows import ChatRow, PreferenceRow
from training.core.verifiers.verifiers import Verifiers

LEVEL = 'gauges.level(river="Aare")'
RESULT = "2.4 m <script>alert(1)</script>"


@pytest.fixture
def answer(answered: Answered, gauges: ToolServer) -> Message:
    """An answer with a call that is done, one that runs and one that waits."""
    answer = answered(calling(LEVEL, "gauges.broken()", "add(a=1)"))
    done, running, _ = calls.note_calls(answer)
    calls.approve(done, lasting=True)
    calls.settle(done, CallState.DONE, RESULT, before=CallState.RUNNING)
    calls.approve(running, lasting=False)
    return answer


def settle_all(answer: Message) -> None:
    answer.calls.exclude(state=CallState.DONE).update(state=CallState.REFUSED, result=calls.NOT_ALLOWED)


def told(answer: Message) -> list[tuple[str, Any, str, str]]:
    return list(answer.calls.values_list("function", "arguments", "state", "result"))


def test_a_fork_takes_calls_and_results_along_and_runs_none_twice(answer: Message) -> None:
    copy = fork_thread(message=answer).leaf
    assert copy is not None
    assert told(copy) == [
        ("gauges.level", {"river": "Aare"}, "done", RESULT),
        ("gauges.broken", {}, "waiting", ""),
        ("add", {"a": 1}, "waiting", ""),
    ]
    assert not copy.calls.filter(lasting=True).exists()
    assert copy.calls.exclude(server=None).count() == 2
    assert [record.state for record in answer.calls.all()] == ["done", "running", "waiting"]


def test_a_fork_goes_on_from_the_results_as_its_origin_did(answer: Message) -> None:
    settle_all(answer)
    assert calls.go_on(answer)
    copy = fork_thread(message=answer).leaf
    assert copy is not None
    following = calls.go_on(copy)
    assert following is not None
    turns, _ = conversation(following)
    assert [turn["content"] for turn in turns if turn["role"] == "environment"] == [
        RESULT,
        calls.NOT_ALLOWED,
        calls.NOT_ALLOWED,
    ]


def test_json_brings_calls_back_and_none_of_them_is_made_again(answer: Message, ada: User) -> None:
    thread = import_chat(owner=Owner(ada), chat=read_json(exported_json(answer.thread)))
    copy = thread.leaf
    assert copy is not None
    assert told(copy) == [
        ("gauges.level", {"river": "Aare"}, "done", RESULT),
        ("gauges.broken", {}, "refused", NOT_BROUGHT),
        ("add", {"a": 1}, "refused", NOT_BROUGHT),
    ]
    assert calls.go_on(copy) is None
    assert CallsView.of(copy).looks_every_s == 0


def test_calls_that_are_none_are_refused_with_their_place(answer: Message) -> None:
    file = json.loads(exported_json(answer.thread))
    for change, says in (
        ({"state": "running"}, "calls[0].state"),
        ({"result": "x" * 20_101}, "calls[0].result"),
        ({"arguments": [1]}, "calls[0].arguments"),
        ({"function": None}, "calls[0].function"),
    ):
        [caller] = [message for message in file["messages"] if message.get("calls")]
        kept = dict(caller["calls"][0])
        caller["calls"][0].update(change)
        with pytest.raises(ChatFileError, match=says.replace("[", r"\[")):
            read_json(json.dumps(file))
        caller["calls"][0] = kept


def test_markdown_tells_what_came_of_each_call(answer: Message) -> None:
    text = exported_markdown(answer.thread)
    assert f"## gauges.level: done\n\n{RESULT}\n\n" in text
    assert "## add: waiting" in text
    assert [message.text for message in read_markdown(text).messages] == [
        "How high is the Aare?",
        answer.raw_text,
    ]


def test_a_link_shows_calls_apart_from_the_text_and_as_text(answer: Message, ada: User) -> None:
    link = share_thread(owner=Owner(ada), thread=answer.thread)
    page = Client().get(f"/shared/chats/{link.token}/").content.decode()
    assert "Let me see." in page
    assert "function_calls" not in page
    assert "<code>gauges.level</code>" in page
    assert "2.4 m &lt;script&gt;" in page
    assert "not made" in page
    assert "<form" not in page.split('class="calls"', 1)[1].split("</section>", 1)[0]
    assert share_thread(owner=Owner(ada), thread=answer.thread).pk == link.pk
    settle_all(answer)
    assert share_thread(owner=Owner(ada), thread=answer.thread).pk != link.pk


def test_programs_are_told_of_calls(answer: Message, ada: User, client: Client) -> None:
    client.force_login(ada)
    found = client.get(f"/api/messages/{answer.pk}/").json()
    assert found["calls"][0] == {
        "function": "gauges.level",
        "arguments": {"river": "Aare"},
        "state": "done",
        "result": RESULT,
    }


def test_rated_chats_with_calls_become_rows_that_can_be_learned(answered: Answered, answer: Message) -> None:
    settle_all(answer)
    following = calls.go_on(answer)
    assert following is not None
    said = finished(following, "2.4 m.")
    Rating.objects.create(message=said, opinion=Opinion.UP)
    [(_, row)] = conversations(answer.thread)
    with Verifiers() as verifiers:
        read = read_row(row, verifiers)
    assert isinstance(read, ChatRow)
    assert [(turn.role, turn.learned) for turn in read.turns] == [
        ("system", True),
        ("user", True),
        ("assistant", False),
        *[("environment", True)] * 3,
        ("assistant", True),
    ]
    assert '"name": "gauges.level"' in read.turns[0].content
    assert read.turns[2].content.endswith(
        f"<function_calls>{LEVEL}\ngauges.broken()\nadd(a=1)</function_calls>"
    )
    assert read.turns[3].content == RESULT


def test_a_call_is_preferred_to_another(answered: Answered) -> None:
    good = answered(calling("add(a=1)"))
    worse = Message.objects.create(
        thread=good.thread,
        parent=good.parent,
        position=1,
        role="assistant",
        raw_text=calling("add(a=2)"),
        parameters=good.parameters,
    )
    for message, opinion in ((good, Opinion.UP), (worse, Opinion.DOWN)):
        calls.note_calls(message)
        Rating.objects.create(message=message, opinion=opinion)
    [(_, row)] = preferences(good.thread)
    with Verifiers() as verifiers:
        read = read_row(row, verifiers)
    assert isinstance(read, PreferenceRow)
    assert "add(a=1)" in read.chosen[-1].content
    assert "add(a=2)" in read.rejected[-1].content
    assert "<functions>" in read.prompt[0].content
