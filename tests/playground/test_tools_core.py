"""Functions that a model may call: how templates show them, how calls are read, what may not be asked."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playground.core.chat_template import ChatTemplate
from playground.core.errors import ParameterError, ToolsUnsupported
from playground.core.tools import CallSplitter, Function, ToolCall, calls_text, parse, read_functions, render
from tests.playground.olmo3_templates import OF_THE_TRAINING_CODE, PUBLISHED
from tests.playground.tiny_model import CHATML
from training.core.chat import WITH_FUNCTIONS
from training.core.datasets.formats import read_chat
from training.core.functions import ARGUMENT_NAME, CALLS_CLOSE, CALLS_OPEN, FUNCTION_NAME

WEATHER = Function(
    "get_weather", "The weather of a city.", {"type": "object", "properties": {"city": {"type": "string"}}}
)
FORMS = [PUBLISHED, OF_THE_TRAINING_CODE, WITH_FUNCTIONS]
ASKED = [{"role": "user", "content": "Weather in Rome?"}]


def rendered(source: str, turns: list[dict[str, Any]], *functions: Function) -> str:
    template = ChatTemplate(source, {"eos_token": "<|endoftext|>"})
    return render(
        lambda given, tools: template.render(given, tools=tools), turns, [f.to_dict() for f in functions]
    )


@pytest.mark.parametrize("source", FORMS)
@pytest.mark.parametrize("system", [[], [{"role": "system", "content": "Be brief."}]])
def test_functions_stand_in_the_system_turn(source: str, system: list[dict[str, Any]]) -> None:
    text = rendered(source, [*system, *ASKED], WEATHER)
    system_turn = text.split("<|im_end|>")[0]
    assert system_turn.startswith("<|im_start|>system\n")
    assert json.loads(system_turn.rpartition("<functions>")[2].removesuffix("</functions>")) == [
        WEATHER.to_dict()
    ]
    assert "do not currently have access" not in text


@pytest.mark.parametrize("source", FORMS)
def test_calls_and_results_are_turns_of_the_conversation(source: str) -> None:
    calls = [ToolCall("get_weather", {"city": 'Rome "x"'}), ToolCall("get_weather", {"city": "Oslo"})]
    turns = [
        *ASKED,
        {"role": "assistant", "content": "", "function_calls": calls_text(calls)},
        {"role": "environment", "content": "21 degrees"},
    ]
    text = rendered(source, turns, WEATHER)
    assert (
        "<|im_start|>assistant\n<function_calls>"
        'get_weather(city="Rome \\"x\\"")\nget_weather(city="Oslo")</function_calls><|im_end|>' in text
    )
    assert "<|im_start|>environment\n21 degrees<|im_end|>" in text


def test_without_functions_a_template_is_rendered_as_ever() -> None:
    assert "do not currently have access" in rendered(PUBLISHED, ASKED)
    assert rendered(CHATML, ASKED).endswith("<|im_start|>assistant\n")


@pytest.mark.parametrize(
    ("turns", "functions"),
    [
        (ASKED, [WEATHER]),
        ([*ASKED, {"role": "assistant", "content": "", "function_calls": "f()"}], []),
        ([*ASKED, {"role": "environment", "content": "21"}], []),
    ],
)
def test_a_template_without_a_place_for_functions_is_refused(turns: Any, functions: Any) -> None:
    with pytest.raises(ToolsUnsupported, match="no place for functions"):
        rendered(CHATML, turns, *functions)


READ = [
    ('f(a="x")', [("f", {"a": "x"})]),
    (" f()", [("f", {})]),
    ('f(a=1, b=[1, {"c": null}], d=true)', [("f", {"a": 1, "b": [1, {"c": None}], "d": True})]),
    ("f(a=None, b=True, c='it is')", [("f", {"a": None, "b": True, "c": "it is"})]),
    ('f(a="(,)=\\n")\ng.h-i(b=2.5)', [("f", {"a": "(,)=\n"}), ("g.h-i", {"b": 2.5})]),
    ("[f(a=1), g(b=2)]", [("f", {"a": 1}), ("g", {"b": 2})]),
    ('f(a="\x0e", )', [("f", {"a": "\x0e"})]),
]


@pytest.mark.parametrize(("text", "calls"), READ)
def test_calls_are_read(text: str, calls: list[tuple[str, dict[str, Any]]]) -> None:
    assert [(call.name, dict(call.arguments)) for call in parse(text)] == calls


@pytest.mark.parametrize(
    "text", ["", "hello", "f(", "f(a)", "f(a=)", "f(1)", "f(a=x)", "f(a=1", "f(a=NaN)", "f(a=1) and then"]
)
def test_what_is_no_call_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse(text)


@pytest.mark.parametrize("text", ["f(a=" + "x," * 50_000, "f(a=" + "[" * 100_000, "f(" + "a=1," * 20_000])
def test_a_long_text_that_is_no_call_ends_soon(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse(text)


values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**12), 10**12) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)
calls = st.builds(
    ToolCall,
    st.from_regex(r"[a-z_][\w.]{0,5}", fullmatch=True).filter(str.isascii),
    st.dictionaries(st.from_regex(r"[a-z]{1,4}", fullmatch=True), values, max_size=3),
)


@given(st.lists(calls, min_size=1, max_size=3), st.text(max_size=20), st.integers(1, 9))
def test_calls_survive_being_written_and_read_cut_anywhere(
    written: list[ToolCall], before: str, cut: int
) -> None:
    before = before.replace("<", "")
    text = f"{before}<function_calls>{calls_text(written)}</function_calls>"
    if "</function_calls>" in calls_text(written):
        return
    splitter = CallSplitter()
    given = [part for at in range(0, len(text), cut) for part in splitter.push(text[at : at + cut])]
    given += splitter.finish()
    assert "".join(part for part in given if isinstance(part, str)) == before.rstrip()
    read = [part for part in given if isinstance(part, ToolCall)]
    assert [(c.name, c.arguments) for c in read] == [(c.name, c.arguments) for c in written]
    assert splitter.called


@given(st.lists(st.sampled_from(["<func", "tion_calls>", "</function_calls>", "f(", "a=1)", " ", "hi"])))
def test_text_that_holds_no_call_is_given_whole(parts: list[str]) -> None:
    splitter = CallSplitter()
    given = [part for piece in parts for part in splitter.push(piece)] + splitter.finish()
    if not splitter.called:
        text = "".join(part for part in given if isinstance(part, str))
        assert "".join(text.split()) == "".join("".join(parts).split())


def test_a_block_without_its_closing_tag_counts_if_its_calls_are_whole() -> None:
    for text, called in (("<function_calls>f(a=1)", True), ("<function_calls>f(a=", False)):
        splitter = CallSplitter()
        given = splitter.push(text) + splitter.finish()
        assert splitter.called is called
        assert given == [text] if not called else isinstance(given[0], ToolCall)


BAD = [
    ({"name": "has space"}, "no function's name"),
    ({"name": ""}, "no function's name"),
    ({"name": "f", "parameters": {"type": "strin"}}, "is not one"),
    ({"name": "f", "parameters": {"type": "array"}}, "of type object"),
    ({"name": "f", "parameters": {"x": "y" * 40_000}}, "characters"),
    ({"name": "f", "description": "y" * 40_000}, "too long"),
    ({"name": "f", "parameters": {"x": float("nan")}}, "cannot be read"),
    ({"name": 5}, "has a function with a name"),
]


@pytest.mark.parametrize(("function", "why"), BAD)
def test_a_function_that_cannot_be_offered_is_refused(function: dict[str, Any], why: str) -> None:
    with pytest.raises(ParameterError, match=why):
        read_functions([{"type": "function", "function": function}])


def test_a_deep_schema_is_refused() -> None:
    schema: dict[str, Any] = {}
    for _ in range(100):
        schema = {"type": "object", "properties": {"a": schema}}
    with pytest.raises(ParameterError, match="nested deeper"):
        Function("f", parameters=schema)


def test_two_functions_of_one_name_are_refused() -> None:
    with pytest.raises(ParameterError, match="Two functions"):
        read_functions([WEATHER.to_dict(), WEATHER.to_dict()])


@given(
    name=st.from_regex(FUNCTION_NAME, fullmatch=True),
    arguments=st.dictionaries(
        st.from_regex(ARGUMENT_NAME, fullmatch=True).filter(str.isprintable), values, max_size=3
    ),
)
def test_a_call_that_a_model_was_taught_is_read_back_as_it_stood_in_the_row(
    name: str, arguments: dict[str, Any]
) -> None:
    called = {"function": {"name": name, "arguments": json.dumps(arguments)}}
    row = read_chat({"messages": [*ASKED, {"role": "assistant", "content": None, "tool_calls": [called]}]})
    block = row.turns[-1].content.removeprefix(CALLS_OPEN).removesuffix(CALLS_CLOSE)
    assert [(call.name, call.arguments) for call in parse(block)] == [(name, arguments)]
