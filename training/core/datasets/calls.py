"""Calls in a row's messages and their results, written as models are given them."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from training.core.datasets.functions import Message, checked_name
from training.core.datasets.parsing import shown, type_name
from training.core.datasets.problems import RowError
from training.core.functions import ARGUMENT_NAME, call_text, calls_block, functions_block


def said_beside(message: Message, where: str) -> str:
    """What stands behind a message's content: its calls, or the functions that a system message offers, as
    Olmo 3's own data has it. Empty for none."""
    calls = calls_of(message, where)
    if calls:
        return calls_block(calls)
    for role, name, block in (
        ("assistant", "function_calls", lambda text: calls_block([text])),
        ("system", "functions", functions_block),
    ):
        if isinstance(text := message.get(name), str) and text.strip():
            if message.get("role") != role:
                raise RowError("tools", f"{where} has {name}: that belongs to the {role}'s messages")
            return block(text)
    return ""


def calls_of(message: Message, where: str) -> list[str]:
    given = message.get("tool_calls") or []
    if single := message.get("function_call"):
        given = [{"function": single}]
    if not given:
        return []
    if message.get("role") != "assistant":
        raise RowError("tools", f"{where} has calls: only the assistant calls functions")
    if not isinstance(given, list):
        raise RowError("tools", f"{where}.tool_calls is {type_name(given)}: write a list of calls")
    return [call_of(call, f"{where}.tool_calls[{number}]") for number, call in enumerate(given)]


def call_of(call: Any, where: str) -> str:
    function = call.get("function") if isinstance(call, Mapping) else None
    if not isinstance(function, Mapping):
        raise RowError("tools", f"{where} has no function: write its name and arguments")
    name = checked_name(function, where)
    arguments = arguments_of(function.get("arguments"), where)
    for key in arguments:
        if not ARGUMENT_NAME.fullmatch(key):
            raise RowError(
                "tools",
                f"{where} has the argument {shown(key)}, which no call can be written with: "
                "leave out spaces, quotes, commas, brackets and equals signs",
            )
    return call_text(name, arguments)


def arguments_of(given: Any, where: str) -> Message:
    """OpenAI writes them as the text of a JSON object, others as an object."""
    if isinstance(given, str):
        try:
            given = json.loads(given or "{}", parse_constant=refused)
        except (ValueError, RecursionError) as error:
            raise RowError("tools", f"{where}: the arguments are no JSON ({error})") from error
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise RowError("tools", f"{where}: the arguments are {type_name(given)}: write an object")
    return given


def refused(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")


def in_call_order(messages: Sequence[Any], where: str) -> list[tuple[int, Any]]:
    """The messages with their numbers, the results of an assistant's calls in the order of these: that alone
    tells a model which is which. A result without an id stays where it is."""
    ordered, known = list[tuple[int, Any]](), list[Any]()
    results = dict[int, tuple[int, Any]]()
    for number, message in enumerate(messages):
        if (called := answered_call(message)) is not None:
            place = place_of(called, known, f"{where}[{number}]")
            if place in results:
                raise RowError("tools", f"{where}[{number}] answers the call {shown(called)} again")
            results[place] = (number, message)
            continue
        ordered += [*sorted_values(results), (number, message)]
        results, known = {}, ids_of(message)
    return ordered + sorted_values(results)


def answered_call(message: Any) -> Any:
    """The id of the call that a message is the result of; None where it says none."""
    is_result = isinstance(message, Mapping) and message.get("role") == "tool"
    return message.get("tool_call_id") if is_result else None


def place_of(called: Any, known: Sequence[Any], where: str) -> int:
    if called not in known:
        raise RowError(
            "tools", f"{where}.tool_call_id {shown(called)} is no call of the assistant's message before it"
        )
    return known.index(called)


def sorted_values(results: Mapping[int, tuple[int, Any]]) -> list[tuple[int, Any]]:
    return [results[place] for place in sorted(results)]


def ids_of(message: Any) -> list[Any]:
    calls = message.get("tool_calls") if isinstance(message, Mapping) else None
    return [call.get("id") for call in calls if isinstance(call, Mapping)] if isinstance(calls, list) else []
