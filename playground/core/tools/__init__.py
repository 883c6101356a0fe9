"""Functions that a model may call: how they are shown to it, and how its calls are read.

In the form that Olmo 3 was trained on: signatures as JSON between <functions> tags in the system turn, calls
as `name(key=json, ...)`, one a line, between <function_calls> tags, results in turns of the role environment.
"""

from playground.core.tools.functions import Function, ToolCall, read_functions
from playground.core.tools.parsing import CallSplitter, parse
from playground.core.tools.rendering import calls_text, render
from training.core.functions import RESULT_ROLE

__all__ = [
    "RESULT_ROLE",
    "CallSplitter",
    "Function",
    "ToolCall",
    "calls_text",
    "parse",
    "read_functions",
    "render",
]
