"""Calls in a chat: kept, approved, run by a real MCP server, and the chat goes on from their results."""

from collections.abc import Iterator
from typing import Any

import pytest
import redis
from django.test import Client

from accounts.limits.models import Audience, Limit, Period, Resource
from accounts.limits.rules import forget_rules
from accounts.limits.services import Spender, admit_now
from accounts.limits.storage import counters
from accounts.models import User
from playground.chat.history import conversation
from playground.core.tools.servers import ToolServerError, call_function, list_functions
from playground.database import in_database
from playground.models import CallRecord, Message, MessageState, ToolServer
from playground.tools import calls
from playground.tools.admin import ask
from playground.tools.models import CallState
from playground.tools.running import run
from tests.playground.tools.conftest import Answered, calling, finished

LEVEL = 'gauges.level(river="Aare")'


def states(answer: Message) -> list[str]:
    return [record.state for record in answer.calls.all()]


def test_calls_wait_for_approval_and_are_kept_once(answered: Answered, gauges: ToolServer) -> None:
    answer = answered(calling(LEVEL, "add(a=1)"))
    calls.note_calls(answer)
    calls.note_calls(answer)
    assert states(answer) == ["waiting", "waiting"]
    [server_call, own] = answer.calls.all()
    assert (server_call.server, server_call.arguments) == (gauges, {"river": "Aare"})
    assert (own.server, own.function) == (None, "add")


def test_calls_of_a_trusted_server_need_no_approval(answered: Answered, gauges: ToolServer) -> None:
    ToolServer.objects.update(trusted=True)
    answer = answered(calling(LEVEL, "add(a=1)"))
    calls.note_calls(answer)
    assert states(answer) == ["running", "waiting"]


def test_an_approval_for_the_chat_holds_for_that_function_in_that_chat(
    answered: Answered, gauges: ToolServer
) -> None:
    first = answered(calling(LEVEL))
    [record] = calls.note_calls(first)
    assert calls.approve(record, lasting=True)
    calls.settle(record, CallState.DONE, "2.4 m", before=CallState.RUNNING)
    following = calls.go_on(first)
    assert following is not None
    again = finished(following, calling(LEVEL, "gauges.broken()"))
    calls.note_calls(again)
    assert states(again) == ["running", "waiting"]
    elsewhere = answered(calling(LEVEL))
    calls.note_calls(elsewhere)
    assert states(elsewhere) == ["waiting"]


def test_what_was_not_offered_is_not_called(answered: Answered, gauges: ToolServer) -> None:
    for text, tools in (
        (calling("gauges.endless()"), {}),
        (calling(LEVEL), {"servers": []}),
        (calling("sub(a=1)"), {}),
    ):
        answer = answered(text, **tools)
        calls.note_calls(answer)
        assert states(answer) == ["failed"], text
    ToolServer.objects.update(enabled=False)
    answer = answered(calling(LEVEL))
    calls.note_calls(answer)
    assert states(answer) == ["failed"]


def test_at_most_ten_calls_are_made_a_turn(answered: Answered, gauges: ToolServer) -> None:
    answer = answered(calling(*["add(a=1)"] * 8))
    calls.note_calls(answer)
    for record in answer.calls.all():
        calls.answer_by_hand(record, "2")
    following = calls.go_on(answer)
    assert following is not None
    more = finished(following, calling(*["add(a=2)"] * 3))
    calls.note_calls(more)
    assert states(more) == ["waiting", "waiting", "refused"]
    for record in more.calls.filter(state="waiting"):
        calls.answer_by_hand(record, "3")
    assert calls.go_on(more) is None


def test_the_chat_goes_on_once_and_only_when_nothing_waits(answered: Answered, gauges: ToolServer) -> None:
    answer = answered(calling("add(a=1)", "add(a=2)"))
    first, second = calls.note_calls(answer)
    assert calls.answer_by_hand(first, "2")
    assert not calls.answer_by_hand(first, "3")
    assert calls.go_on(answer) is None
    assert calls.refuse(second)
    following = calls.go_on(answer)
    assert following is not None
    assert (following.parent, following.parameters) == (answer, answer.parameters)
    assert calls.go_on(answer) is None
    assert answer.replies.count() == 1


def test_the_model_is_given_calls_and_results_in_their_order(answered: Answered, gauges: ToolServer) -> None:
    answer = answered(calling(LEVEL, "add(a=1)"))
    first, second = calls.note_calls(answer)
    calls.answer_by_hand(second, "2")
    calls.refuse(first)
    following = calls.go_on(answer)
    assert following is not None
    turns, prompt = conversation(following)
    assert prompt == "How high is the Aare?"
    assert [turn["role"] for turn in turns] == ["user", "assistant", "environment", "environment"]
    assert turns[1]["content"] == "Let me see."
    assert turns[1]["function_calls"] == f"{LEVEL}\nadd(a=1)"
    assert [turn["content"] for turn in turns[2:]] == [calls.NOT_ALLOWED, "2"]


def test_an_answer_that_was_stopped_calls_nothing(answered: Answered, gauges: ToolServer) -> None:
    answer = answered(calling(LEVEL))
    Message.objects.filter(pk=answer.pk).update(state=MessageState.STOPPED)
    answer.refresh_from_db()
    assert calls.note_calls(answer) == []


def reloaded(record: CallRecord) -> CallRecord:
    return CallRecord.objects.select_related("server").get(pk=record.pk)


async def test_a_call_is_run_by_its_server(answered: Answered, gauges: ToolServer) -> None:
    answer = await in_database(answered, calling(LEVEL, "gauges.broken()"))
    for record in await in_database(calls.note_calls, answer):
        await in_database(lambda r=record: calls.approve(r, lasting=False))
        await run(await in_database(reloaded, record))
    results = await in_database(lambda: list(answer.calls.values_list("state", "result")))
    assert results[0] == ("done", "The Aare stands at 2.4 m. <script>alert(1)</script>")
    assert results[1][0] == "failed"
    assert "broken" in results[1][1]  # the library keeps the reason to itself


async def test_servers_say_what_they_have(mcp_address: str) -> None:
    functions = await list_functions(mcp_address, "gauges")
    assert [function.name for function in functions] == ["gauges.level", "gauges.broken", "gauges.endless"]
    assert functions[0].parameters["required"] == ["river"]
    assert (await call_function(mcp_address, "level", {"river": 5})).failed


async def test_a_server_that_is_not_there_is_a_clear_error() -> None:
    for address in ("http://127.0.0.1:9/mcp", "http://nowhere.invalid/mcp"):
        with pytest.raises(ToolServerError, match="cannot be reached"):
            await call_function(address, "level", {})


def test_an_administrator_sees_what_a_server_offers(mcp_address: str, db: None) -> None:
    server = ToolServer(name="gauges", address=mcp_address)
    ask(server)
    assert (server.error, len(server.functions)) == ("", 3)
    server.address = "http://127.0.0.1:9/mcp"
    ask(server)
    assert "cannot be reached" in server.error
    assert server.functions == []


@pytest.fixture
def waiting(answered: Answered, gauges: ToolServer) -> CallRecord:
    return calls.note_calls(answered(calling(LEVEL, "add(a=1)")))[0]


def test_nobody_else_can_touch_a_call(waiting: CallRecord, client: Client) -> None:
    stranger = User.objects.create_user("tools-stranger", password="a long password")
    for person in (None, stranger):
        if person:
            client.force_login(person)
        for act in ("approve", "refuse", "answer"):
            assert client.post(f"/calls/{waiting.pk}/{act}/").status_code == 404
        assert client.get(f"/messages/{waiting.message_id}/calls/").status_code == 404
    waiting.refresh_from_db()
    assert waiting.state == "waiting"


def test_a_page_shows_calls_escaped(waiting: CallRecord, client: Client, ada: User) -> None:
    calls.approve(waiting, lasting=False)
    calls.settle(waiting, CallState.DONE, "<script>alert(1)</script>", before=CallState.RUNNING)
    client.force_login(ada)
    page: Any = client.get(f"/chat/{waiting.message.thread_id}/").content.decode()
    assert "&lt;script&gt;alert(1)" in page
    assert "<script>alert(1)" not in page
    assert "What add gives" in page


def test_a_result_that_is_too_long_is_refused(waiting: CallRecord, client: Client, ada: User) -> None:
    client.force_login(ada)
    own = waiting.message.calls.get(function="add")
    for record, result in ((own, "x" * 20_001), (waiting, "2.4 m")):
        response = client.post(
            f"/calls/{record.pk}/answer/", {"result": result}, headers={"HX-Request": "true"}
        )
        assert 'role="alert"' in response.content.decode()
    assert states(waiting.message) == ["waiting", "waiting"]


def asked(client: Client, answer: Message, seen: str = "") -> Any:
    headers = {"HX-Request": "true"}
    return client.get(f"/messages/{answer.pk}/calls/", {"seen": seen} if seen else {}, headers=headers)


def test_another_tab_learns_what_became_of_a_call_and_nothing_else(
    waiting: CallRecord, client: Client, ada: User
) -> None:
    client.force_login(ada)
    answer = waiting.message
    first = asked(client, answer).content.decode()
    assert f'hx-get="/messages/{answer.pk}/calls/?seen=waiting-waiting" hx-trigger="every 2s"' in first
    assert asked(client, answer, "waiting-waiting").status_code == 204
    calls.refuse(waiting)
    changed = asked(client, answer, "waiting-waiting").content.decode()
    assert "seen=refused-waiting" in changed
    calls.answer_by_hand(answer.calls.get(function="add"), "2")
    assert "every 1s" in asked(client, answer, "refused-waiting").content.decode()
    following = calls.go_on(answer)
    assert following is not None
    last = asked(client, answer, "refused-done").content.decode()
    assert "hx-trigger" not in last.split("</section>")[0]
    assert f'id="turn-{following.pk}"' in last


@pytest.fixture
def two_requests_a_day(ada: User, redis_server: redis.Redis) -> Iterator[None]:
    Limit.objects.create(
        audience=Audience.PERSON, user=ada, resource=Resource.REQUESTS, amount=2, period=Period.DAY
    )
    forget_rules()
    counters().reset()
    yield
    Limit.objects.all().delete()
    forget_rules()
    counters().reset()


def test_an_answer_that_goes_on_from_a_call_counts_against_the_limits(
    answered: Answered, gauges: ToolServer, ada: User, two_requests_a_day: None
) -> None:
    for allowed in (True, False):
        answer = answered(calling("add(a=1)"))
        for record in calls.note_calls(answer):
            calls.refuse(record)
        following = calls.go_on(answer)
        assert (following is not None) == allowed
        admit_now(Spender(user_id=ada.pk), "chat") if allowed else None
    refused = answer.replies.get()
    assert (refused.state, calls.go_on(answer)) == ("failed", None)
    assert "You have 2 requests in any day, and 0 of them are left." in refused.error
