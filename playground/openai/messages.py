"""The messages of a conversation as programs send them, and as templates take them."""

from collections.abc import Sequence
from typing import Any, Literal

from pydantic import Field

from playground.core.tools import RESULT_ROLE, calls_text
from playground.openai.body import Body
from playground.openai.errors import ApiError
from playground.openai.tool_bodies import CallBody

Turn = dict[str, Any]


class TextPart(Body):
    type: Literal["text"]
    text: str


class ChatMessage(Body):
    """One turn. What an assistant thought is not sent back to it."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[TextPart] | None = None
    name: str | None = None
    refusal: str | None = None
    reasoning: str | None = None
    reasoning_content: str | None = None
    tool_calls: list[CallBody] | None = Field(default=None, max_length=128)
    tool_call_id: str | None = Field(default=None, max_length=200)
    annotations: list[Any] | None = Field(default=None, max_length=0)
    audio: None = None
    function_call: None = None
    provider_specific_fields: dict[str, Any] | None = None

    @property
    def text(self) -> str:
        parts = self.content or ""
        return parts if isinstance(parts, str) else "".join(part.text for part in parts)


def turns_of(messages: Sequence[ChatMessage]) -> list[Turn]:
    """The turns in order; results of functions stand in the order of their calls, which is all that tells
    the model which is which. ApiError for a result without a call, or a call without a result."""
    turns: list[Turn] = []
    waiting: dict[str, str | None] = {}
    for number, message in enumerate(messages):
        place = f"messages.{number}"
        if message.role == "tool":
            note_result(waiting, message, place)
            continue
        turns += results(waiting, place)
        waiting = {call.id: None for call in message.tool_calls or ()}
        turns.append(turn_of(message, place))
    return turns + results(waiting, f"messages.{len(messages) - 1}")


def turn_of(message: ChatMessage, place: str) -> Turn:
    turn: Turn = {"role": "system" if message.role == "developer" else message.role, "content": message.text}
    if not message.tool_calls:
        return turn
    if message.role != "assistant":
        raise ApiError(400, f"{place}: only an assistant calls functions.", param=f"{place}.tool_calls")
    try:
        return turn | {"function_calls": calls_text([call.read() for call in message.tool_calls])}
    except ValueError as error:
        raise ApiError(400, f"{place}: {error}.", param=f"{place}.tool_calls") from error


def note_result(waiting: dict[str, str | None], message: ChatMessage, place: str) -> None:
    known = message.tool_call_id
    if known is None or known not in waiting:
        message_text = f"{place}: tool_call_id {known!r:.80} is no call of the assistant's turn before it."
        raise ApiError(400, message_text, param=f"{place}.tool_call_id")
    waiting[known] = message.text


def results(waiting: dict[str, str | None], place: str) -> list[Turn]:
    if missing := [known for known, text in waiting.items() if text is None]:
        message = f"{place}: the call {missing[0]!r:.80} has no result. Send one with the role tool."
        raise ApiError(400, message, param=place)
    return [{"role": RESULT_ROLE, "content": text} for text in waiting.values()]
