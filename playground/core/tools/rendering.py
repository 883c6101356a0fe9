"""How a checkpoint's own template shows functions to it, if it has a place for them.

There are two forms of Olmo 3's template: the published one takes the functions for itself (`tools`), that of
the training code reads them from the system turn. Which one it is, or neither, is found by rendering a probe.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from playground.core.errors import ToolsUnsupported
from playground.core.tools.functions import Function, ToolCall
from training.core.functions import RESULT_ROLE, SYSTEM, call_text, signatures_text

CALLS = "function_calls"
PROBE = Function("probe_of_the_template")
SHOWN = re.compile(rf"<functions>.*{PROBE.name}.*</functions>", re.DOTALL)

Turn = Mapping[str, Any]
Template = Callable[[Sequence[Turn], Sequence[Mapping[str, Any]] | None], str]


def render(template: Template, turns: Sequence[Turn], functions: Sequence[Mapping[str, Any]]) -> str:
    """The conversation with the functions, which are as `Function.to_dict` writes them.

    `template(turns, tools)` renders. Raises ToolsUnsupported where the template has no place for functions,
    or for what the turns hold: calls, or their results.
    """
    if not functions and not any(CALLS in turn or turn["role"] == RESULT_ROLE for turn in turns):
        return template(turns, None)
    for form in (by_itself, in_system_turn):
        if shows(template(*form(PROBE_TURNS, [PROBE.to_dict()]))):
            return template(*form(turns, functions))
    raise ToolsUnsupported(
        "This model's chat template has no place for functions: it cannot call any. Leave tools out, or "
        "choose a model that was trained with them."
    )


PROBE_TURNS: tuple[Turn, ...] = ({"role": "system", "content": "s"}, {"role": "user", "content": "u"})


def takes_functions(template: Template) -> bool:
    """Whether the template has a place for functions."""
    probes = (form(PROBE_TURNS, [PROBE.to_dict()]) for form in (by_itself, in_system_turn))
    return any(shows(template(*probe)) for probe in probes)


def shows(rendered: str) -> bool:
    return SHOWN.search(rendered) is not None


Given = tuple[Sequence[Turn], Sequence[Mapping[str, Any]] | None]


def by_itself(turns: Sequence[Turn], functions: Sequence[Mapping[str, Any]]) -> Given:
    return turns, list(functions) or None


def in_system_turn(turns: Sequence[Turn], functions: Sequence[Mapping[str, Any]]) -> Given:
    if not functions:
        return turns, None
    signatures = signatures_text(functions)
    if turns and turns[0]["role"] == "system":
        return [{**turns[0], "functions": signatures}, *turns[1:]], None
    return [{"role": "system", "content": SYSTEM, "functions": signatures}, *turns], None


def calls_text(calls: Sequence[ToolCall]) -> str:
    """Calls as the model wrote them, for the turn's `function_calls`."""
    return "\n".join(call_text(call.name, call.arguments) for call in calls)
