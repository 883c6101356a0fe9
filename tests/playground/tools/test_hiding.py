"""What a model calls is shown in a box of its own, and not a second time in the answer's text."""

import pytest
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.models import User
from playground.chat.answer_state import AnswerState
from playground.chat.live_html import LiveHtml
from playground.core.rendering.paints import Paint
from playground.core.tools.hiding import call_ranges, without_calls
from playground.models import Message, MessageState, ToolServer
from playground.tools import calls
from tests.playground.tools.conftest import Answered, calling

CALL = '<function_calls>add(a=1)\nsub(b="x")</function_calls>'
NO_CALL = "<function_calls>as a word</function_calls>"


def paint(start: int, end: int) -> Paint:
    return Paint(start, end, href="/", css_class="span")


def test_calls_are_left_out_and_what_is_no_call_stays() -> None:
    for text, shown in (
        (f"a {CALL} b", "a  b"),
        (CALL, ""),
        (f"a{CALL}b{CALL}", "ab"),
        (f"a {NO_CALL} b", f"a {NO_CALL} b"),
        ("a <function_calls>add(a=1)", "a "),
        ("a <function_calls>add(", "a <function_calls>add("),
        ("a <function_", "a <function_"),
    ):
        assert without_calls(text, ()) == (shown, []), text


def test_what_may_become_a_call_is_left_out_while_the_text_grows() -> None:
    text = f"Let me see. {CALL} Done."
    for end in range(len(text)):
        shown, _ = without_calls(text[:end], (), final=False)
        assert "<f" not in shown
        assert "Let me see.  Done.".startswith(shown.removesuffix("<"))


@settings(suppress_health_check=[HealthCheck.too_slow])  # a busy machine
@given(st.lists(st.sampled_from(["word ", CALL, NO_CALL, "<", "\n"])), st.data())
def test_what_is_lit_stays_lit_where_it_stands(parts: list[str], data: st.DataObject) -> None:
    text = "".join(parts)
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    hidden = {at for first, last in call_ranges(text) for at in range(first, last)}
    wanted = "".join(text[at] for at in range(start, end) if at not in hidden)
    shown, lit = without_calls(text, [paint(start, end)])
    assert "".join(shown[each.start : each.end] for each in lit) == wanted


def test_a_growing_answer_shows_no_call(answered: Answered, gauges: ToolServer) -> None:
    answer = answered("")
    for offered, is_shown in ((True, False), (False, True)):
        if not offered:
            answer.parameters.pop("tools")
        html = LiveHtml(answer).of(AnswerState(text=f"Let me see.\n{CALL}"))
        assert ("function_calls" in "".join(html.answer)) == is_shown
        assert "Let me see." in html.answer[0]


@pytest.fixture
def browser(ada: User) -> Client:
    client = Client()
    client.force_login(ada)
    return client


def test_a_page_shows_calls_once_and_its_raw_text_all(
    answered: Answered, gauges: ToolServer, browser: Client
) -> None:
    answer = answered(calling('gauges.level(river="Aare")'))
    calls.note_calls(answer)
    page = browser.get(f"/chat/{answer.thread_id}/").content.decode()
    assert "Let me see." in page
    assert "function_calls" not in page
    assert '<section class="calls"' in page
    raw = browser.get(f"/messages/{answer.pk}/raw/").content.decode()
    assert "&lt;function_calls&gt;gauges.level" in raw


def test_calls_that_were_never_made_stay_in_the_text(
    answered: Answered, gauges: ToolServer, browser: Client
) -> None:
    answer = answered(calling("add(a=1)"))
    Message.objects.filter(pk=answer.pk).update(state=MessageState.STOPPED)
    calls.note_calls(Message.objects.get(pk=answer.pk))
    page = browser.get(f"/chat/{answer.thread_id}/").content.decode()
    assert "&lt;function_calls&gt;add" in page
