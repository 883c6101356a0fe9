"""Texts and messages of a row, checked."""

from collections.abc import Mapping, Sequence
from typing import Any

from training.core.chat import SPECIAL_TOKENS, Turn
from training.core.datasets.calls import in_call_order, said_beside
from training.core.datasets.limits import MESSAGES_MAX
from training.core.datasets.parsing import shown, type_name
from training.core.datasets.problems import RowError
from training.core.functions import RESULT_ROLE

ROLES = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
    "tool": RESULT_ROLE,
    "function": RESULT_ROLE,
    "environment": RESULT_ROLE,
}
"""As rows name them, and as models are told."""


def text_of(value: Any, where: str) -> str:
    """A text that a tokenizer takes and a person can read. Raises RowError."""
    if isinstance(value, list):
        value = joined_parts(value, where)
    if not isinstance(value, str):
        raise RowError("shape", f"{where} is {type_name(value)}: write a text")
    if "\0" in value:
        raise RowError("character", f"{where} holds the character NUL: leave it out")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        message = f"{where} holds half a surrogate pair at character {error.start + 1}: write the whole"
        raise RowError("character", message) from error
    if not value.strip():
        raise RowError("empty", f"{where} is empty")
    for token in SPECIAL_TOKENS:
        if token in value:
            raise RowError("token", f"{where} spells out {token}, which would end or begin a turn in it")
    return value


def joined_parts(parts: list[Any], where: str) -> str:
    """Content that is written as OpenAI's list of parts, of which only texts can be trained on."""
    for part in parts:
        is_text = (
            isinstance(part, Mapping) and part.get("type") == "text" and isinstance(part.get("text"), str)
        )
        if not is_text:
            raise RowError("shape", f"{where} has a part that is no text: only texts can be learned from")
    return "".join(part["text"] for part in parts)


def turns_of(messages: Any, where: str) -> tuple[Turn, ...]:
    """A conversation. Raises RowError."""
    if not isinstance(messages, list) or not messages:
        raise RowError("shape", f"{where} is {type_name(messages)}: write a list of messages")
    if len(messages) > MESSAGES_MAX:
        raise RowError("long", f"{where} has {len(messages):,} messages: {MESSAGES_MAX:,} at most")
    return tuple(turn_of(message, f"{where}[{number}]") for number, message in in_call_order(messages, where))


def turn_of(message: Any, where: str) -> Turn:
    if not isinstance(message, Mapping):
        raise RowError("shape", f"{where} is {type_name(message)}: write an object with role and content")
    if message.get("audio"):
        raise RowError("shape", f"{where} has audio: only texts can be learned from")
    role = message.get("role")
    if not isinstance(role, str) or role not in ROLES:
        raise RowError("role", f"{where} has the role {shown(role)}: choose one of {', '.join(ROLES)}")
    beside = said_beside(message, where)
    if not beside and "content" not in message:
        raise RowError("shape", f"{where} has no content")
    content = message.get("content")
    said = "" if beside and not content else text_of(content, f"{where}.content")
    whole = text_of(said + beside, where) if beside else said
    return Turn(ROLES[role], whole, weight_of(message, where))


def weight_of(message: Mapping[str, Any], where: str) -> bool:
    """Whether a message is to be learned: OpenAI's `weight`, 0 or 1, on the assistant's messages alone."""
    weight = message.get("weight")
    if weight is None:
        return True
    if isinstance(weight, bool) or weight not in (0, 1):
        raise RowError("shape", f"{where}.weight is {shown(weight)}: write 0 or 1")
    if message["role"] != "assistant":
        raise RowError("shape", f"{where}.weight: only the assistant's messages have one")
    return bool(weight)


def check_answered(turns: Sequence[Turn], where: str) -> None:
    """Raises RowError unless the conversation ends with an answer, and one of its answers is learned."""
    if not any(turn.role == "assistant" for turn in turns):
        raise RowError("no-answer", f"{where} has no message of the assistant's: there is nothing to learn")
    if turns[-1].role != "assistant":
        raise RowError("no-answer", f"{where} ends with the {turns[-1].role}'s message: end with an answer")
    if not any(turn.learned for turn in turns if turn.role == "assistant"):
        raise RowError("no-answer", f"{where} gives every answer the weight 0: there is nothing to learn")


def check_waiting(turns: Sequence[Turn], where: str) -> None:
    """Raises RowError unless the conversation waits for an answer."""
    if turns[-1].role == "assistant":
        raise RowError("shape", f"{where} ends with an answer: end with what is to be answered")
