"""Chats as JSON: all branches, the model's own token ids, and how each answer was asked for."""

from typing import Any

from pydantic import ValidationError
from pydantic_core import from_json, to_json

from playground.core.chat_files.chat import ChatFile, ChatFileError, PlainChat, chain, told

FORMAT, VERSION = "headwater-chat", 1


def write_json(chat: ChatFile, traces: dict[str, Any] | None = None) -> str:
    """The file's text. `traces`, by message id, are for people and programs to read: reading skips them."""
    content = {"format": FORMAT, "version": VERSION, **chat.model_dump(mode="json", exclude_defaults=True)}
    for message in content["messages"]:
        if trace := (traces or {}).get(message["id"]):
            message["trace"] = trace
    return to_json(content, indent=1).decode() + "\n"


def read_json(text: str) -> ChatFile:
    """A chat from the JSON of `write_json`, or from a list of messages with a role and a content each.

    Raises ChatFileError.
    """
    try:
        content = from_json(text, allow_inf_nan=False)
    except ValueError as error:
        raise ChatFileError(f"This is no JSON: {error}.") from error
    try:
        return checked(text, content)
    except ValidationError as error:
        raise told(error) from error


def checked(text: str, content: object) -> ChatFile:
    if isinstance(content, list):
        content = {"messages": content}
    if not isinstance(content, dict):
        raise ChatFileError("A chat is a JSON object with messages, or a list of them.")
    if content.get("format") == FORMAT:
        if content.get("version") != VERSION:
            raise ChatFileError(f"This file's version is not {VERSION}: export the chat again.")
        return ChatFile.model_validate_json(text)
    plain = PlainChat.model_validate(content)
    return chain(plain.title, plain.messages)
