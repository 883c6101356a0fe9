"""What an answer must look like, for engines that hold the model to it: vLLM's structural tags (xgrammar).

A format is a JSON object; https://xgrammar.mlc.ai/docs/tutorials/structural_tag.html lists them.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from playground.core.think_split import CLOSE as THINK_CLOSE
from playground.core.think_split import OPEN as THINK_OPEN
from playground.core.tools.functions import Function
from training.core.functions import CALLS_CLOSE as CLOSE
from training.core.functions import CALLS_OPEN as OPEN

Format = dict[str, Any]
MAX_CALLS = 16
MAX_WHITESPACE = 8
"""Between JSON's tokens: models lose themselves in endless white space where any of it is allowed."""


def json_format(schema: Mapping[str, Any]) -> Format:
    """An answer that is one JSON value."""
    return {"type": "json_schema", "json_schema": dict(schema), "max_whitespace_cnt": MAX_WHITESPACE}


def calls_format(functions: Sequence[Function], *, most: int = MAX_CALLS) -> Format:
    """An answer that is a block of calls: at least one, at most `most`."""
    call = one_of([call_format(function) for function in functions])
    more = {"type": "repeat", "min": 0, "max": most - 1, "content": sequence(literal("\n"), call)}
    return sequence(literal(OPEN), call, *([more] if most > 1 else []), literal(CLOSE))


def call_format(function: Function) -> Format:
    """`name(key=json, ...)`: what is required first, then what is not, each in the schema's order."""
    properties = function.parameters.get("properties", {})
    required = [name for name in function.parameters.get("required", []) if name in properties]
    optional = [name for name in properties if name not in required]
    values = {name: value_format(function, name) for name in properties}
    arguments = [sequence(literal(", " if n else ""), values[name]) for n, name in enumerate(required)]
    if required:
        arguments += [maybe(sequence(literal(", "), values[name])) for name in optional]
    elif optional:
        arguments = [maybe(one_of([from_here(values, optional[n:]) for n in range(len(optional))]))]
    return sequence(literal(f"{function.name}("), *arguments, literal(")"))


def from_here(values: Mapping[str, Format], names: Sequence[str]) -> Format:
    """The first of the names, and perhaps some of the others."""
    first, *others = names
    return sequence(values[first], *(maybe(sequence(literal(", "), values[name])) for name in others))


def value_format(function: Function, name: str) -> Format:
    """`key=json`. Definitions that the schema's parts refer to go along with each."""
    schema = function.parameters["properties"][name]
    kept = {key: function.parameters[key] for key in ("$defs", "definitions") if key in function.parameters}
    if kept and isinstance(schema, Mapping):
        schema = {**schema, **kept}
    value = {"type": "json_schema", "json_schema": schema, "max_whitespace_cnt": 1}
    return sequence(literal(f"{name}="), value)


def after_thinking(form: Format, *, begun: bool, thinks: bool) -> Format:
    """The form, behind the thinking of a model that thinks: `begun` where the prompt opens it already."""
    if not begun and not thinks:
        return form
    free = {"type": "any_text"}
    thinking = {"type": "tag", "begin": "" if begun else THINK_OPEN, "content": free, "end": THINK_CLOSE}
    return sequence(thinking if begun else maybe(thinking), form)


def structural_tag(form: Format) -> str:
    """As vLLM takes it."""
    return json.dumps({"type": "structural_tag", "format": form})


def literal(text: str) -> Format:
    return {"type": "const_string", "value": text}


def sequence(*elements: Format) -> Format:
    kept = [each for each in elements if each != literal("")]
    return kept[0] if len(kept) == 1 else {"type": "sequence", "elements": kept}


def one_of(elements: Sequence[Format]) -> Format:
    return elements[0] if len(elements) == 1 else {"type": "or", "elements": list(elements)}


def maybe(form: Format) -> Format:
    return {"type": "optional", "content": form}
