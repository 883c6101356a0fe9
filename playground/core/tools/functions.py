"""A function that a model may call, and a call of one."""

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError

from playground.core.errors import ParameterError
from training.core.functions import FUNCTION_NAME, FUNCTIONS_MAX, signature

MAX_SCHEMA_CHARACTERS = 32_768
MAX_SCHEMA_DEPTH = 32
MAX_DESCRIPTION_CHARACTERS = 4096
MAX_RESULT_CHARACTERS = 20_000
KEPT_RESULT_CHARACTERS = MAX_RESULT_CHARACTERS + 100
"""With the note that more was cut."""


@dataclass(frozen=True)
class Function:
    """`parameters` is a JSON schema of an object: its properties are what the function takes.

    Raises ParameterError where the name or the schema cannot be used.
    """

    name: str
    description: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not FUNCTION_NAME.fullmatch(self.name):
            raise ParameterError(
                "tools",
                f"{self.name!r:.80} is no function's name: a letter or underscore, then up to 63 letters, "
                "digits, underscores, hyphens and dots.",
            )
        if len(self.description) > MAX_DESCRIPTION_CHARACTERS:
            limit = f"at most {MAX_DESCRIPTION_CHARACTERS:,} characters"
            raise ParameterError("tools", f"The description of {self.name} is too long: {limit}.")
        check_schema("tools", self.parameters, of=self.name)
        if self.parameters.get("type", "object") != "object":
            raise ParameterError("tools", f"The parameters of {self.name} must be a schema of type object.")

    def to_dict(self) -> dict[str, Any]:
        """As OpenAI's `tools` have it, which is how Olmo 3's template writes it too."""
        return signature(self.name, self.description, self.parameters)


@dataclass(frozen=True)
class ToolCall:
    """A call that a model wrote: arguments are JSON values by name."""

    name: str
    arguments: Mapping[str, Any]
    id: str = field(default_factory=lambda: f"call_{secrets.token_hex(12)}")

    @property
    def arguments_json(self) -> str:
        return json.dumps(self.arguments, ensure_ascii=False)


def read_functions(tools: Sequence[Mapping[str, Any]]) -> tuple[Function, ...]:
    """From what `Function.to_dict` writes. ParameterError for too many, or two of one name."""
    if len(tools) > FUNCTIONS_MAX:
        raise ParameterError(
            "tools", f"There are {len(tools)} functions; at most {FUNCTIONS_MAX} are possible."
        )
    functions = tuple(read_function(tool.get("function")) for tool in tools)
    names = [function.name for function in functions]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise ParameterError("tools", f"Two functions are called {twice!r}. Rename one.")
    return functions


def read_function(given: object) -> Function:
    if not isinstance(given, Mapping) or not isinstance(given.get("name"), str):
        raise ParameterError("tools", "Each tool has a function with a name.")
    parameters = given.get("parameters") or {}
    description = given.get("description") or ""
    if not isinstance(parameters, Mapping) or not isinstance(description, str):
        raise ParameterError(
            "tools", f"{given['name']!r:.80}: its parameters are a schema, its description text."
        )
    return Function(given["name"], description, parameters)


def check_schema(param: str, schema: object, *, of: str) -> None:
    """ParameterError unless it is a JSON schema, of a size that an engine compiles at once."""
    try:
        text = json.dumps(schema, allow_nan=False)
        if depth(schema) > MAX_SCHEMA_DEPTH:
            raise ParameterError(
                param, f"The schema of {of} is nested deeper than {MAX_SCHEMA_DEPTH} levels."
            )
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        raise ParameterError(param, f"The schema of {of} is not one: {error.message[:200]}") from error
    except (TypeError, ValueError, RecursionError) as error:
        raise ParameterError(param, f"The schema of {of} cannot be read: {error}.") from error
    if len(text) > MAX_SCHEMA_CHARACTERS:
        limit = f"at most {MAX_SCHEMA_CHARACTERS:,} are possible"
        raise ParameterError(param, f"The schema of {of} has {len(text):,} characters; {limit}.")


def depth(value: object) -> int:
    """How deep objects and lists are nested; a text or number is 0 deep."""
    if isinstance(value, Mapping):
        value = list(value.values())
    return 1 + max(map(depth, value), default=0) if isinstance(value, list | tuple) else 0
