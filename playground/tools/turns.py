"""An answer's calls and their results as turns of the conversation, for the model that goes on from them."""

from typing import Any

from playground.core.tools import RESULT_ROLE, CallSplitter, ToolCall, calls_text
from playground.models import Message
from playground.tools.models import SETTLED

Turn = dict[str, Any]
NO_RESULT = "The call was not made."


def turns_of(message: Message, text: str) -> list[Turn]:
    """A message whose text the model is given: its calls and their results apart; an empty one is no turn."""
    records = list(message.calls.all()) if message.parameters.get("tools") else []
    if not records:
        return [{"role": message.role, "content": text}] if text else []
    calls = calls_text([ToolCall(record.function, record.arguments) for record in records])
    turn = {"role": message.role, "content": words(text), "function_calls": calls}
    results = (record.result if record.state in SETTLED else NO_RESULT for record in records)
    return [turn, *({"role": RESULT_ROLE, "content": result} for result in results)]


def words(text: str) -> str:
    """The text of an answer without its calls."""
    return "".join(part for part in parts_of(text) if isinstance(part, str))


def calls_in(text: str) -> list[ToolCall]:
    return [part for part in parts_of(text) if isinstance(part, ToolCall)]


def parts_of(text: str) -> list[str | ToolCall]:
    splitter = CallSplitter()
    return splitter.push(text) + splitter.finish()
