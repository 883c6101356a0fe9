"""What rows of an upload may be, and what is said of those that may not."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.training.datasets.uploads import (
    ANSWER,
    CHAT,
    OPENAI_PREFERENCE,
    PROMPT,
    QUESTION,
    TRL_PREFERENCE,
    check,
)
from training.core.chat import Turn
from training.core.datasets.formats import read_row
from training.core.datasets.parsing import parse_row
from training.core.datasets.problems import KINDS, RowError
from training.core.datasets.rows import ChatRow, PreferenceRow, PromptRow, Row, texts_of
from training.core.functions import SYSTEM
from training.core.verifiers.verifiers import Verifiers

ADD = {
    "type": "function",
    "function": {"name": "add", "parameters": {"type": "object", "properties": {"a": {}, "b": {}}}},
}


def function(name: str, **fields: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, **fields}}


def calling(name: str, arguments: Any, number: int = 1) -> dict[str, Any]:
    call = {"id": f"call_{number}", "type": "function", "function": {"name": name, "arguments": arguments}}
    return {"role": "assistant", "content": None, "tool_calls": [call]}


def result(call: str, content: str = "3") -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": call, "content": content}


BOTH = calling("add", {}) | {
    "tool_calls": [*calling("add", {})["tool_calls"], *calling("sub", {}, 2)["tool_calls"]]
}
ASKED, SAID = Turn("user", "Who are you?"), Turn("assistant", "Headwater.")


def read(row: Any) -> Row:
    with Verifiers() as verifiers:
        return read_row(parse_row(json.dumps(row).encode()), verifiers)


def test_a_conversation_keeps_its_roles_order_and_weights() -> None:
    messages = [
        {"role": "developer", "content": "Be brief."},
        QUESTION,
        {"role": "assistant", "content": "A fish.", "weight": 0},
        {"role": "tool", "content": "42"},
        {"role": "environment", "content": "ok"},
        {
            "role": "assistant",
            "content": [{"type": "text", "text": "Head"}, {"type": "text", "text": "water."}],
        },
    ]
    assert read({"messages": messages}) == ChatRow(
        (
            Turn("system", "Be brief."),
            ASKED,
            Turn("assistant", "A fish.", learned=False),
            Turn("environment", "42"),
            Turn("environment", "ok"),
            SAID,
        )
    )


def test_a_prompt_with_its_completion_is_a_conversation() -> None:
    assert read({"prompt": "Who are you?", "completion": "Headwater."}) == ChatRow((ASKED, SAID))
    assert read({"prompt": [QUESTION], "completion": [ANSWER]}) == ChatRow((ASKED, SAID))


@pytest.mark.parametrize(
    "row",
    [
        OPENAI_PREFERENCE,
        TRL_PREFERENCE,
        {"prompt": [QUESTION], "chosen": [ANSWER], "rejected": [{"role": "assistant", "content": "Nobody."}]},
        {"chosen": [QUESTION, ANSWER], "rejected": [QUESTION, {"role": "assistant", "content": "Nobody."}]},
    ],
)
def test_all_spellings_of_a_preference_are_one_row(row: dict[str, Any]) -> None:
    assert read(row) == PreferenceRow((ASKED,), (SAID,), (Turn("assistant", "Nobody."),))


@pytest.mark.parametrize(
    ("row", "verifier", "reference"),
    [
        (PROMPT, "math", "4"),
        ({"prompt": "2 + 2?", "reference_answer": "4"}, "math", "4"),
        ({"prompt": "2 + 2?", "reference_answer": 4}, "math", 4),
        ({"prompt": "Say hello.", "answer": "hello"}, "exact", "hello"),
        ({"messages": [QUESTION], "reference": "hi", "verifier": "exact"}, "exact", "hi"),
        ({"prompt": "Be brief.", "constraints": [{"kind": "words", "at_most": 5}]}, "constraints", None),
        ({"prompt": "Write f.", "tests": ["assert f() == 1"]}, "code", {"tests": ["assert f() == 1"]}),
    ],
)
def test_prompts_say_how_they_are_rewarded(row: dict[str, Any], verifier: str, reference: Any) -> None:
    found = read(row)
    assert isinstance(found, PromptRow)
    assert found.verifier == verifier
    assert found.reference == (reference if reference is not None else row["constraints"])


def messages(*given: Any) -> dict[str, Any]:
    return {"messages": list(given)}


BAD_ROWS: list[tuple[Any, str, str]] = [
    (b'{"messages": "\xff"}', "encoding", "byte 15"),
    ('{"messages": []', "json", "character"),
    ("[" * 100_000, "json", "nested too deeply"),
    ("[1, 2]", "json", "a list, not an object"),
    ("null", "json", "null, not an object"),
    ('{"messages": [], "messages": []}', "repeated-key", "'messages' occurs twice"),
    ('{"messages": [{"role": "user", "role": "user"}]}', "repeated-key", "'role'"),
    ('{"weight": NaN}', "number", "NaN"),
    ('{"weight": -Infinity}', "number", "-Infinity"),
    ('{"weight": 1e999}', "number", "1e999"),
    ('{"weight": ' + "9" * 5000 + "}", "number", "digits"),
    ("{}", "shape", "no messages"),
    ({"text": "Once upon a time"}, "shape", "'text'"),
    (messages(), "shape", "messages is a list"),
    ({"messages": {"role": "user"}}, "shape", "an object"),
    ({"messages": "hello"}, "shape", "a text"),
    (messages("hello"), "shape", "messages[0] is a text"),
    (messages({"role": "user"}, ANSWER), "shape", "messages[0] has no content"),
    (messages({"role": "user", "content": 7}, ANSWER), "shape", "messages[0].content is a number"),
    (messages({"role": "user", "content": None}, ANSWER), "shape", "null"),
    (messages(QUESTION, ANSWER | {"weight": 0.5}), "shape", "write 0 or 1"),
    (messages(QUESTION, ANSWER | {"weight": True}), "shape", "write 0 or 1"),
    (messages(QUESTION | {"weight": 1}, ANSWER), "shape", "only the assistant's"),
    (messages({"role": "wizard", "content": "x"}, ANSWER), "role", "'wizard'"),
    (messages({"role": ["user"], "content": "x"}, ANSWER), "role", "choose one of"),
    (messages({"content": "x"}, ANSWER), "role", "null"),
    (messages(QUESTION), "no-answer", "no message of the assistant's"),
    (messages(QUESTION, ANSWER, QUESTION), "no-answer", "ends with the user's"),
    (messages(QUESTION, ANSWER | {"weight": 0}), "no-answer", "weight 0"),
    (messages(QUESTION, ANSWER | {"content": " \n"}), "empty", "messages[1].content"),
    (messages(QUESTION, ANSWER | {"content": "a\0b"}), "character", "NUL"),
    ('{"messages": [{"role": "user", "content": "\\ud800"}]}', "character", "surrogate"),
    (messages(QUESTION, ANSWER | {"content": "x<|im_end|>\n<|im_start|>system"}), "token", "<|im_start|>"),
    (messages(QUESTION, ANSWER | {"tool_calls": [{"id": "1"}]}), "tools", "tool_calls[0] has no function"),
    (messages(QUESTION, ANSWER | {"tool_calls": "add()"}), "tools", "write a list of calls"),
    (messages(QUESTION | {"tool_calls": [{"id": "1"}]}, ANSWER), "tools", "only the assistant"),
    (messages(QUESTION, calling("add", '{"a": ')), "tools", "the arguments are no JSON"),
    (messages(QUESTION, calling("add", '{"a": NaN}')), "tools", "NaN"),
    (messages(QUESTION, calling("add", "[1]")), "tools", "write an object"),
    (messages(QUESTION, calling("add", {"a b": 1})), "tools", "'a b'"),
    (messages(QUESTION, calling("1add", {})), "tools", "'1add'"),
    (messages(QUESTION, calling("add", {"a": "<|im_end|>"})), "token", "<|im_end|>"),
    (
        messages(QUESTION, calling("add", {}), {"role": "tool", "tool_call_id": "x", "content": "1"}, ANSWER),
        "tools",
        "'x' is no call",
    ),
    (messages(QUESTION, calling("add", {}), *[result("call_1")] * 2, ANSWER), "tools", "again"),
    (messages(QUESTION, BOTH, result("call_2", " "), result("call_1"), ANSWER), "empty", "messages[2]"),
    (CHAT | {"tools": [{"type": "function"}]}, "tools", "tools[0]"),
    (CHAT | {"tools": {"name": "add"}}, "tools", "write a list"),
    (CHAT | {"tools": [ADD] * 65}, "tools", "64 at most"),
    (CHAT | {"tools": [function("add", parameters={"type": "array"})]}, "tools", "schema of an object"),
    (CHAT | {"tools": [function("add", description=[1])]}, "tools", "description"),
    (PROMPT | {"tools": [ADD]}, "tools", "nobody would answer"),
    (messages(QUESTION, ANSWER | {"functions": "[]"}), "tools", "system's messages"),
    (messages(QUESTION, {"role": "assistant", "content": [{"type": "image_url"}]}), "shape", "no text"),
    (messages(*[QUESTION] * 1001, ANSWER), "long", "1,002 messages"),
    ({"prompt": "a", "chosen": "b"}, "shape", "no rejected"),
    ({"prompt": "a", "chosen": "b", "rejected": "b"}, "no-answer", "the same"),
    ({"chosen": "b", "rejected": "c"}, "shape", "needs a prompt"),
    ({"chosen": [QUESTION, ANSWER], "rejected": [ANSWER]}, "shape", "different messages"),
    ({"input": [QUESTION], "preferred_output": [ANSWER], "non_preferred_output": [ANSWER]}, "shape", "input"),
    ({"prompt": "a", "verifier": "math"}, "reference", "none of"),
    ({"prompt": "a", "answer": "4", "reference": "4"}, "reference", "write one of them"),
    ({"prompt": "a", "answer": "4", "verifier": "vibes"}, "reference", "no verifier"),
    ({"prompt": "a", "answer": ["4"], "verifier": "math"}, "reference", "a text or a number"),
    ({"prompt": "a", "constraints": [{"kind": "vowels"}]}, "reference", "no constraint"),
    ({"prompt": "a", "tests": []}, "reference", "tests"),
    ({"prompt": "a", "messages": [QUESTION], "answer": "4"}, "shape", "one of them"),
    ({"messages": "a", "answer": "4"}, "shape", "call it prompt"),
    ({"messages": [QUESTION, ANSWER], "answer": "4"}, "shape", "ends with an answer"),
    ('{"prompt": "a", "answer": "\\ud800", "verifier": "exact"}', "character", "surrogate"),
    ('{"prompt": "a", "answer": "b\\u0000", "verifier": "exact"}', "character", "NUL"),
]


@pytest.mark.parametrize(("row", "kind", "words"), BAD_ROWS)
def test_bad_rows_are_found_on_their_line_with_what_is_wrong(
    tmp_path: Path, row: Any, kind: str, words: str
) -> None:
    found = check(tmp_path, CHAT, "", row, CHAT)
    assert found.rows == 2
    assert found.blank == 1
    assert found.problems.counts == {kind: 1}
    (problem,) = found.problems.listed
    assert (problem.line, problem.kind) == (3, kind)
    assert words in problem.message
    assert problem.message.isprintable()
    assert len(problem.message) < 300


KEYS = ["messages", "prompt", "completion", "chosen", "rejected", "input", "preferred_output", "reference",
        "non_preferred_output", "verifier", "answer", "tests", "constraints", "role", "content", "weight",
        "type", "text", "tools", "functions", "tool_calls", "function_call", "function",
        "name", "arguments", "id", "tool_call_id", "kind", "value", "at_most", "math"]  # fmt: skip
WORDS = ["user", "assistant", "system", "math", "code", "text", "words", "\0", "4", ""]
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
ANYTHING = st.recursive(
    SCALARS | st.sampled_from(WORDS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from(KEYS), ANYTHING, max_size=5))
def test_any_object_is_a_row_or_has_a_problem_that_can_be_shown(row: dict[str, Any]) -> None:
    outcome = row_or_problem(row)
    if isinstance(outcome, RowError):
        assert outcome.kind in KINDS
        assert str(outcome).isprintable()
    else:
        assert all(text.strip() for text in texts_of(outcome))


def row_or_problem(row: Any) -> Row | RowError:
    try:
        return read(row)
    except RowError as error:
        return error


def test_rows_of_two_formats_are_not_mixed(tmp_path: Path) -> None:
    found = check(tmp_path, TRL_PREFERENCE, CHAT, OPENAI_PREFERENCE)
    assert found.format == "preference"
    assert found.rows == 2
    assert [(problem.line, problem.kind) for problem in found.problems.listed] == [(2, "other-format")]


def test_functions_stand_in_the_system_turn_which_a_row_gets_if_it_has_none() -> None:
    signatures = f"<functions>{json.dumps([ADD])}</functions>"
    bare, told = {"role": "system", "content": "Be brief."}, [QUESTION, ANSWER]
    for row in (
        {"messages": [bare, *told], "tools": [ADD]},
        {"messages": [bare, *told], "functions": [ADD["function"]]},
        {"messages": [bare | {"functions": json.dumps([ADD])}, *told]},
    ):
        assert read(row) == ChatRow((Turn("system", f"Be brief.{signatures}"), ASKED, SAID))
    assert read({"messages": told, "tools": [ADD]}) == ChatRow(
        (Turn("system", SYSTEM + signatures), ASKED, SAID)
    )
    preference = OPENAI_PREFERENCE | {"input": {"messages": [QUESTION], "tools": [ADD]}}
    for row in (preference, TRL_PREFERENCE | {"tools": [ADD]}):
        found = read(row)
        assert isinstance(found, PreferenceRow)
        assert found.prompt == (Turn("system", SYSTEM + signatures), ASKED)


def test_calls_end_an_answer_and_their_results_follow_in_the_calls_order() -> None:
    both = calling("add", '{"a": 1, "b": [2, "x"]}')
    both["tool_calls"] += calling("sub", {}, 2)["tool_calls"]
    row = {
        "messages": [QUESTION, both | {"content": "Hm."}, result("call_2", "no"), result("call_1"), ANSWER]
    }
    assert read(row) == ChatRow(
        (
            ASKED,
            Turn("assistant", 'Hm.<function_calls>add(a=1, b=[2, "x"])\nsub()</function_calls>'),
            Turn("environment", "3"),
            Turn("environment", "no"),
            SAID,
        )
    )


@pytest.mark.parametrize(
    "message",
    [
        {"role": "assistant", "content": None, "function_call": {"name": "add", "arguments": '{"a": 1}'}},
        {"role": "assistant", "content": "", "function_calls": "add(a=1)"},
    ],
)
def test_calls_as_older_clients_and_as_olmo_write_them_are_the_same(message: dict[str, Any]) -> None:
    found = read({"messages": [QUESTION, message]})
    assert found == ChatRow((ASKED, Turn("assistant", "<function_calls>add(a=1)</function_calls>")))


def test_rows_with_functions_are_counted(tmp_path: Path) -> None:
    quoted = {"role": "user", "content": "What do <functions> and <function_calls> mean?"}
    rows = [CHAT, CHAT | {"tools": [ADD]}, {"messages": [QUESTION, calling("add", {})]}]
    found = check(tmp_path, *rows, {"messages": [quoted, ANSWER]})
    assert (found.rows, found.functions) == (4, 2)
