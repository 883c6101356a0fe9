"""Functions in rows: what is offered and what is called, written as models are given them."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from training.core.chat import Turn
from training.core.datasets.parsing import shown, type_name
from training.core.datasets.problems import RowError
from training.core.functions import (
    ARGUMENT_NAME,
    FUNCTION_NAME,
    FUNCTIONS_MAX,
    SYSTEM,
    call_text,
    calls_block,
    functions_block,
    signature,
    signatures_text,
)

Message = Mapping[str, Any]


def signatures_of(row: Message, where: str = "") -> str:
    """The functions that a row offers, by OpenAI's `tools` or its older `functions`; empty for none."""
    name = "tools" if row.get("tools") else "functions"
    given, place = row.get(name), f"{where}{name}"
    if not given:
        return ""
    if not isinstance(given, list):
        raise RowError("tools", f"{place} is {type_name(given)}: write a list of functions")
    if len(given) > FUNCTIONS_MAX:
        raise RowError("tools", f"{place} has {len(given)} functions: {FUNCTIONS_MAX} at most")
    return signatures_text([signature_of(one, f"{place}[{n}]") for n, one in enumerate(given)])


def signature_of(given: Any, where: str) -> dict[str, Any]:
    function = given.get("function", given) if isinstance(given, Mapping) else None
    if not isinstance(function, Mapping):
        raise RowError("tools", f'{where} is no function: write {{"type": "function", "function": {{...}}}}')
    name, description = checked_name(function, where), function.get("description") or ""
    parameters = function.get("parameters") or {}
    if not isinstance(description, str):
        raise RowError("tools", f"{where}: the description of {name} is {type_name(description)}, no text")
    if not isinstance(parameters, Mapping) or parameters.get("type", "object") != "object":
        raise RowError("tools", f"{where}: the parameters of {name} are no JSON schema of an object")
    return signature(name, description, parameters)


def checked_name(function: Message, where: str) -> str:
    name = function.get("name")
    if not isinstance(name, str) or not FUNCTION_NAME.fullmatch(name):
        raise RowError(
            "tools",
            f"{where}: {shown(name)} is no function's name: a letter or underscore, then up to 63 letters, "
            "digits, underscores, hyphens and dots",
        )
    return name


def offered(turns: tuple[Turn, ...], signatures: str) -> tuple[Turn, ...]:
    """The conversation with the functions at the end of its system turn, which it gets if it has none."""
    if not signatures:
        return turns
    if turns[0].role != "system":
        turns = (Turn("system", SYSTEM), *turns)
    return (Turn("system", turns[0].content + functions_block(signatures)), *turns[1:])


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


def in_call_order(messages: Sequence[Any], where: str) -> list[Any]:
    """The messages, the results of an assistant's calls in the order of these: that alone tells a model which
    is which."""
    ordered, results = list[Any](), dict[int, Any]()
    known: list[Any] = []
    for number, message in enumerate(messages):
        is_result = isinstance(message, Mapping) and message.get("role") == "tool"
        if is_result and message.get("tool_call_id") is not None:
            called = message["tool_call_id"]
            if called not in known:
                raise RowError(
                    "tools",
                    f"{where}[{number}].tool_call_id {shown(called)} is no call of the assistant's message "
                    "before it",
                )
            if known.index(called) in results:
                raise RowError("tools", f"{where}[{number}] answers the call {shown(called)} again")
            results[known.index(called)] = message
            continue
        ordered += [results[place] for place in sorted(results)] + [message]
        results, known = {}, ids_of(message)
    return ordered + [results[place] for place in sorted(results)]


def ids_of(message: Any) -> list[Any]:
    calls = message.get("tool_calls") if isinstance(message, Mapping) else None
    return [call.get("id") for call in calls if isinstance(call, Mapping)] if isinstance(calls, list) else []
