"""A chat as a file holds it, checked: whatever comes from outside is bounded before anything is saved."""

from typing import Annotated, Any, Literal, Self

from pydantic import (
    AliasChoices,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from playground.core.tools.functions import KEPT_RESULT_CHARACTERS

TEXT_CHARACTERS_MAX = 1_000_000
MESSAGES_MAX = 5_000
TOKENS_MAX = 1_000_000

Name = Annotated[str, Field(max_length=200)]
Id = Annotated[str, Field(min_length=1, max_length=100)]


class ChatFileError(ValueError):
    """A file is no chat; the message says where it is wrong and what to do."""


class FileNote(BaseModel):
    """A file that went with a message: its name, the characters of its text, the pages of a PDF. The text is
    not here."""

    model_config = ConfigDict(strict=True)

    name: Name
    characters: Annotated[int, Field(ge=0, lt=2**31)]
    pages: Annotated[int, Field(ge=0, lt=2**31)] | None = None


class FileCall(BaseModel):
    """A function that an answer called: with what, and what came of it. `result` is the text that it gave,
    or why there is none."""

    model_config = ConfigDict(strict=True)

    function: Name
    arguments: dict[str, Any] = {}
    state: Literal["waiting", "done", "failed", "refused"]
    result: Annotated[str, Field(max_length=KEPT_RESULT_CHARACTERS)] = ""


class FileMessage(BaseModel):
    """One message. `parent` is the id of the one before it; ids mean something within the file only.

    text: a person's, or all that the model wrote, thinking included.
    files: what went with it, to be read by people: reading a chat brings none of them back.
    calls: the functions that the answer called.
    token_ids: the model's own, where it wrote the text.
    thinking_s: seconds that the thinking took.
    """

    model_config = ConfigDict(strict=True)

    id: Id
    parent: Id | None = None
    role: Literal["user", "assistant"]
    text: Annotated[str, Field(max_length=TEXT_CHARACTERS_MAX)]
    model: Name = ""
    state: Literal["complete", "stopped", "interrupted", "failed"] = "complete"
    finish_reason: Annotated[str, Field(max_length=30)] = ""
    parameters: dict[str, Any] = {}
    token_ids: Annotated[list[Annotated[int, Field(ge=0, lt=2**32)]], Field(max_length=TOKENS_MAX)] = []
    files: Annotated[list[FileNote], Field(max_length=100)] = []
    calls: Annotated[list[FileCall], Field(max_length=1_000)] = []
    thinking_s: Annotated[float, Field(ge=0, le=1e7, allow_inf_nan=False)] | None = None
    created_at: AwareDatetime | None = None


class ChatFile(BaseModel):
    """A title and messages, each behind its parent. `shown` is the id of the last one of the shown path."""

    model_config = ConfigDict(strict=True)

    title: Name = ""
    messages: Annotated[list[FileMessage], Field(min_length=1, max_length=MESSAGES_MAX)]
    shown: Id | None = None

    @model_validator(mode="after")
    def check_tree(self) -> Self:
        seen = set[str]()
        for number, message in enumerate(self.messages):
            if message.id in seen:
                raise ValueError(f"messages[{number}] has the id {message.id!r} of an earlier one")
            if message.parent is not None and message.parent not in seen:
                raise ValueError(
                    f"messages[{number}] stands before its parent {message.parent!r}, or without it"
                )
            seen.add(message.id)
        if self.shown is not None and self.shown not in seen:
            raise ValueError(f"shown is {self.shown!r}, and no message has that id")
        return self


class PlainMessage(BaseModel):
    """A message as most programs write it; `function`: what one gave, to be read by people only."""

    role: Literal["system", "user", "assistant", "function"]
    text: Annotated[
        str, Field(max_length=TEXT_CHARACTERS_MAX, validation_alias=AliasChoices("content", "text"))
    ]
    model: Name = ""


class PlainChat(BaseModel):
    """A list of messages, one behind the other."""

    title: Name = ""
    messages: Annotated[list[PlainMessage], Field(min_length=1, max_length=MESSAGES_MAX)]


def chain(title: str, messages: list[PlainMessage]) -> ChatFile:
    """A chat without branches. What the system said goes with every answer."""
    system = "\n\n".join(message.text for message in messages if message.role == "system")
    parameters = {"system": system} if system else {}
    made: list[FileMessage] = []
    for message in messages:
        if message.role == "system" or message.role == "function":
            continue
        made.append(
            FileMessage(
                id=str(len(made)),
                parent=str(len(made) - 1) if made else None,
                role=message.role,
                text=message.text,
                model=message.model,
                parameters=parameters if message.role == "assistant" else {},
            )
        )
    if not made:
        raise ChatFileError("The file has a system prompt and no message of a person or a model.")
    return ChatFile(title=title[:200], messages=made)


def told(error: ValidationError) -> ChatFileError:
    """The first thing that is wrong in a file, in one line."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in first["loc"]).lstrip(".")
    what = first["msg"].removeprefix("Value error, ")
    return ChatFileError(f"{place}: {what}." if place else f"{what}.")
