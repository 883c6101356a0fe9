"""Chats as Markdown: to be read by people, and read back to the letter.

A line that only machines see stands before each message. A text that has such a line itself gets a backslash
before it. From elsewhere, headings such as `## You` and `## Assistant` do as well. What came of an answer's
calls stands behind it, for people only.
"""

import json
import re
from collections.abc import Sequence

from pydantic import ValidationError

from playground.core.chat_files.chat import (
    ChatFile,
    ChatFileError,
    FileCall,
    FileMessage,
    FileNote,
    PlainMessage,
    chain,
    told,
)

MARK = "<!-- headwater:"
MARKED = re.compile(rf"^{MARK} (\{{.*\}}) -->\n## .*\n\n", re.MULTILINE)
LOOKS_MARKED = re.compile(rf"^(\\*){MARK}", re.MULTILINE)
TITLE = re.compile(r"\A# (.*)$", re.MULTILINE)
USERS = "you|user|human|me|prompt|question"
ASSISTANTS = "assistant|model|ai|bot|answer|response|chatgpt|claude|gemini"
HEADING = re.compile(
    rf"^#{{1,6}} +(?:({USERS})|({ASSISTANTS})):?[ \t]*#*[ \t]*$", re.MULTILINE | re.IGNORECASE
)


def write_markdown(title: str, messages: Sequence[FileMessage]) -> str:
    """The messages, one behind the other, below the title."""
    parts = [f"# {' '.join(title.split())}\n\n", "\n\n".join(map(section, messages)), "\n"]
    return "".join(parts)


def section(message: FileMessage) -> str:
    facts = {"role": message.role} | ({"model": message.model} if message.model else {})
    name = "You" if message.role == "user" else " ".join(message.model.split()) or "Assistant"
    heading = ", ".join([name, *map(attached, message.files)])
    return "\n\n".join([marked_part(facts, heading, message.text), *map(result_of, message.calls)])


def marked_part(facts: dict[str, str], heading: str, text: str) -> str:
    mark = json.dumps(facts).replace(">", "\\u003e")  # so that nothing in it ends the comment
    return f"{MARK} {mark} -->\n## {heading}\n\n{LOOKS_MARKED.sub(escaped, text)}"


def result_of(call: FileCall) -> str:
    heading = f"{' '.join(call.function.split())}: {call.state}"
    return marked_part({"role": "function"}, heading, call.result)


def attached(file: FileNote) -> str:
    """A file that went with a message, as its heading names it."""
    pages = f"{file.pages:,} pages, " if file.pages else ""
    return f"with {' '.join(file.name.split())} ({pages}{file.characters:,} characters)"


def escaped(found: re.Match[str]) -> str:
    return "\\" + found.group(0)


def read_markdown(text: str) -> ChatFile:
    """A chat without branches. Raises ChatFileError where no message can be made out."""
    text = text.removeprefix("\ufeff").replace("\r\n", "\n")
    found = TITLE.match(text)
    title = found.group(1) if found else ""
    messages = marked(text) or headed(text)
    if not messages:
        raise ChatFileError(
            "No message can be made out. Put a line '## You' before what a person says, and '## Assistant' "
            "before what a model says."
        )
    return chain(title.strip(), messages)


def marked(text: str) -> list[PlainMessage]:
    """The messages of a file of ours."""
    marks = list(MARKED.finditer(text))
    ends = [mark.start() for mark in marks[1:]] + [len(text)] * bool(marks)
    messages = []
    for mark, end in zip(marks, ends, strict=True):
        body = text[mark.end() : end].removesuffix("\n" if end == len(text) else "\n\n")
        messages.append(message_of(mark.group(1), LOOKS_MARKED.sub(unescaped, body)))
    return messages


def unescaped(found: re.Match[str]) -> str:
    return found.group(0).removeprefix("\\")


def message_of(facts: str, text: str) -> PlainMessage:
    try:
        return PlainMessage.model_validate({**json.loads(facts), "text": text})
    except ValidationError as error:
        raise told(error) from error
    except (ValueError, TypeError) as error:
        raise ChatFileError(f"The line {facts[:60]!r} cannot be read: restore it, or remove it.") from error


def headed(text: str) -> list[PlainMessage]:
    """The messages of a file from elsewhere."""
    headings = list(HEADING.finditer(text))
    ends = [heading.start() for heading in headings[1:]] + [len(text)] * bool(headings)
    bodies = [text[heading.end() : end].strip() for heading, end in zip(headings, ends, strict=True)]
    return [
        message_of(json.dumps({"role": "user" if heading.group(1) else "assistant"}), body)
        for heading, body in zip(headings, bodies, strict=True)
        if body
    ]
