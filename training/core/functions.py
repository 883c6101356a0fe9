"""How functions are shown to a model and how it calls them, in training and serving alike: Olmo 3's form.

Signatures stand as JSON between <functions> tags at the end of the system turn, calls as
`name(key=json, ...)`, one a line, between <function_calls> tags at the end of the assistant's. Results are
turns of the role environment, in the order of the calls.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

RESULT_ROLE = "environment"
CALLS_OPEN, CALLS_CLOSE = "<function_calls>", "</function_calls>"
FUNCTIONS_OPEN, FUNCTIONS_CLOSE = "<functions>", "</functions>"
FUNCTION_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}")
ARGUMENT_NAME = re.compile(r"[^\s=(),\"']+")
FUNCTIONS_MAX = 64
SYSTEM = (
    "You are a helpful function-calling AI assistant. You are provided with function signatures within "
    "<functions></functions> XML tags. You may call one or more functions to assist with the user query. "
    "Output any function calls within <function_calls></function_calls> XML tags. Do not make assumptions "
    "about what values to plug into functions."
)
"""What Olmo 3's published template says where the conversation has no system turn of its own."""

FUNCTIONS = "functions"
"""In what a store's manifest says of its making: that some conversations offer functions, or call them."""

Json = dict[str, Any]


def signature(name: str, description: str, parameters: Mapping[str, Any]) -> Json:
    """A function as OpenAI's `tools` have it, which is how Olmo 3's template writes it too."""
    described = {"description": description} if description else {}
    shape = dict(parameters) or {"type": "object", "properties": {}}
    return {"type": "function", "function": {"name": name, **described, "parameters": shape}}


def signatures_text(signatures: Sequence[Mapping[str, Any]]) -> str:
    return json.dumps(list(signatures), ensure_ascii=False)


def call_text(name: str, arguments: Mapping[str, Any]) -> str:
    written = (f"{key}={json.dumps(value, ensure_ascii=False)}" for key, value in arguments.items())
    return f"{name}({', '.join(written)})"


def calls_block(calls: Iterable[str]) -> str:
    """What an assistant's turn ends with."""
    lines = "\n".join(calls)
    return f"{CALLS_OPEN}{lines}{CALLS_CLOSE}"


def functions_block(signatures: str) -> str:
    """What a system turn ends with."""
    return f"{FUNCTIONS_OPEN}{signatures}{FUNCTIONS_CLOSE}"
