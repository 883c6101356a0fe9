"""What programs send about functions: those that may be called, which must be, calls and their results."""

import json
from typing import Any, Literal

from pydantic import Field

from playground.core.tools import Function, ToolCall
from playground.core.tools.functions import read_function
from playground.openai.body import Body


class FunctionBody(Body):
    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class ToolBody(Body):
    """Every function's arguments follow its schema where a call is required; `strict` changes nothing."""

    type: Literal["function"]
    function: FunctionBody

    def read(self) -> Function:
        return read_function(self.function.model_dump())


class NamedFunction(Body):
    name: str


class NamedTool(Body):
    type: Literal["function"]
    function: NamedFunction


class CalledFunction(Body):
    name: str = Field(min_length=1, max_length=200)
    arguments: str = Field(max_length=1_000_000)


class CallBody(Body):
    """A call that an assistant made, as it was answered. `index` is what streams add."""

    id: str = Field(min_length=1, max_length=200)
    type: Literal["function"] = "function"
    function: CalledFunction
    index: int | None = None

    def read(self) -> ToolCall:
        """ValueError where its arguments are no JSON object."""
        try:
            arguments = json.loads(self.function.arguments or "{}", strict=False)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"the arguments of {self.function.name!r:.80} are no JSON: {error}") from error
        if not isinstance(arguments, dict):
            raise ValueError(f"the arguments of {self.function.name!r:.80} must be a JSON object")
        return ToolCall(self.function.name, arguments, self.id)
