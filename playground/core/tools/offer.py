"""What a chat offers its model: functions that the person declared, servers, whether one must be called."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from playground.core.errors import ParameterError
from playground.core.tools.functions import Function, read_functions

MAX_SERVERS = 16
MAX_TEXT = 16_000


@dataclass(frozen=True)
class Offer:
    """`servers` are names. `required`: an answer to a prompt begins with a call."""

    functions: tuple[Function, ...] = ()
    servers: tuple[str, ...] = ()
    required: bool = False

    def __bool__(self) -> bool:
        return bool(self.functions or self.servers)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """From what `to_dict` writes. Raises ParameterError."""
        functions, servers = values.get("functions", []), values.get("servers", [])
        if not isinstance(functions, list) or not isinstance(servers, list) or len(servers) > MAX_SERVERS:
            raise ParameterError("tools", "tools has a list of functions and one of at most 16 servers.")
        if not all(isinstance(name, str) and len(name) <= 100 for name in servers):
            raise ParameterError("tools", "tools names servers by their names.")
        return cls(read_functions(functions), tuple(servers), values.get("required") is True)

    def to_dict(self) -> dict[str, Any]:
        """As JSON can hold it; empty where nothing is offered."""
        if not self:
            return {}
        functions = [function.to_dict() for function in self.functions]
        return {"functions": functions, "servers": list(self.servers), "required": self.required}

    @classmethod
    def read(cls, text: str) -> tuple[Function, ...]:
        """Functions as a person writes them: a JSON list as OpenAI's `tools` is, or of functions alone."""
        if not text.strip():
            return ()
        try:
            given = json.loads(text[:MAX_TEXT])
        except (ValueError, RecursionError) as error:
            raise ParameterError("functions", f"This is no JSON: {error}.") from error
        listed = given if isinstance(given, list) else [given]
        if not all(isinstance(each, dict) for each in listed):
            raise ParameterError("functions", "Write a JSON list of objects with a name and parameters each.")
        return read_functions([each if "function" in each else {"function": each} for each in listed])
