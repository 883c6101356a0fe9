"""Functions that rows offer, written as models are given them."""

from collections.abc import Mapping, Sequence
from typing import Any

from training.core.chat import Turn
from training.core.datasets.parsing import shown, type_name
from training.core.datasets.problems import RowError
from training.core.functions import (
    CALLS_OPEN,
    FUNCTION_NAME,
    FUNCTIONS_MAX,
    FUNCTIONS_OPEN,
    SYSTEM,
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


def holds_functions(turns: Sequence[Turn]) -> bool:
    """Whether a conversation offers functions, or calls them. Whoever else writes such tags quotes them."""
    tags = {"system": FUNCTIONS_OPEN, "assistant": CALLS_OPEN}
    return any(turn.role in tags and tags[turn.role] in turn.content for turn in turns)
