"""Tasks: questions with references and the verifiers that check answers to them."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.core.chat import Turn
from training.core.errors import TrainingError
from training.core.verifiers.verifiers import Verifiers

ROWS_MAX = 100_000
LINE_BYTES_MAX = 1 << 20
FILE_BYTES_MAX = 1 << 30
BAD_ROWS_SHOWN = 20
ROLES = ("system", "user", "assistant")
ANSWER_TOKENS = 256


class TaskError(TrainingError):
    """A task that cannot be used."""


@dataclass(frozen=True)
class Item:
    """One question."""

    line: int
    """Counted from 1, in the file or in the order of the task."""
    turns: tuple[Turn, ...]
    """Put to the model in its own chat format; empty for a prompt."""
    prompt: str
    """Put to the model as it is written, where there are no turns."""
    reference: Any
    verifier: Any
    """Name of a verifier, or several with weights."""
    lesson: str = ""
    """How a model that only completes text is asked; its answer is then read as a lesson."""

    @property
    def question(self) -> str:
        """What is asked, as people and the judge read it."""
        return self.prompt or "\n\n".join(turn.content for turn in self.turns if turn.role == "user")

    @property
    def texts(self) -> list[str]:
        """Every form in which it may stand in data."""
        return [self.question, self.lesson] if self.lesson else [self.question]


@dataclass(frozen=True)
class Task:
    """Items that are scored together."""

    name: str
    items: tuple[Item, ...]
    longest: int = ANSWER_TOKENS
    """Tokens that an answer may have."""

    @property
    def digest(self) -> str:
        """Of the questions, references and verifiers, in their order: "sha256:<hex>"."""
        whole = hashlib.sha256()
        for item in self.items:
            asked = [[turn.role, turn.content] for turn in item.turns] or item.prompt
            row = json.dumps([asked, item.reference, item.verifier], sort_keys=True)
            whole.update(row.encode() + b"\n")
        return f"sha256:{whole.hexdigest()}"


def read_task(path: Path, verifiers: Verifiers, *, limit: int | None = None) -> Task:
    """The items of a JSONL file (UTF-8; one object a line with `prompt` or `messages`, `reference` and
    `verifier`), the first `limit` of them. Raises TaskError that lists bad rows by their line, or says what
    is wrong with the file."""
    items, bad = list[Item](), list[str]()
    try:
        if path.stat().st_size > FILE_BYTES_MAX:
            raise TaskError(f"{path} has more than {FILE_BYTES_MAX:,} bytes: split it")
        with path.open("rb") as file:
            for number, line in enumerate(iter(lambda: file.readline(LINE_BYTES_MAX + 1), b""), 1):
                if len(bad) >= BAD_ROWS_SHOWN or len(items) >= min(limit or ROWS_MAX, ROWS_MAX):
                    break
                read_line(number, line, verifiers, items, bad)
    except OSError as error:
        raise TaskError(f"{path} cannot be read: {error.strerror}") from error
    if bad:
        more = " (and perhaps more)" if len(bad) >= BAD_ROWS_SHOWN else ""
        raise TaskError(f"{path} has rows that cannot be used{more}:\n" + "\n".join(bad))
    if not items:
        raise TaskError(f"{path} has no rows: write one JSON object a line")
    return Task(path.stem, tuple(items))


def read_line(number: int, line: bytes, verifiers: Verifiers, items: list[Item], bad: list[str]) -> None:
    """Adds the line's item to `items`, or why there is none to `bad`; a blank line is neither."""
    if len(line) > LINE_BYTES_MAX:
        raise TaskError(f"line {number} has more than {LINE_BYTES_MAX:,} bytes")
    if not line.strip():
        return
    try:
        row = json.loads(line.decode(), object_pairs_hook=without_repeats, parse_constant=no_constant)
        items.append(item_of(number, row, verifiers))
    except UnicodeDecodeError as error:
        bad.append(f"line {number}: it is not UTF-8 (byte {error.start})")
    except json.JSONDecodeError as error:
        bad.append(f"line {number}: it is no JSON object ({error.msg} at character {error.pos + 1})")
    except (ValueError, RecursionError) as error:
        bad.append(f"line {number}: it is no JSON object ({error})")
    except TrainingError as error:
        bad.append(f"line {number}: {error}")


def without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(pairs)
    if len(row) != len(pairs):
        raise ValueError("a key occurs twice")
    return row


def no_constant(name: str) -> None:
    raise ValueError(f"{name} is no number")


def item_of(number: int, row: Any, verifiers: Verifiers) -> Item:
    """The checked item. Raises TaskError or VerifierError."""
    if not isinstance(row, Mapping):
        raise TaskError("it is no JSON object")
    missing = [name for name in ("reference", "verifier") if name not in row]
    if missing or ("prompt" in row) == ("messages" in row):
        raise TaskError("it needs `reference`, `verifier`, and either `prompt` or `messages`")
    verifiers.find(row["verifier"]).check_reference(row["reference"])
    prompt = row.get("prompt", "")
    if "prompt" in row and not (isinstance(prompt, str) and prompt.strip()):
        raise TaskError("`prompt` is a text that is not empty")
    turns = turns_of(row["messages"]) if "messages" in row else ()
    return Item(number, turns, prompt, row["reference"], row["verifier"])


def turns_of(messages: Any) -> tuple[Turn, ...]:
    """A conversation that waits for an answer."""
    if not isinstance(messages, list) or not messages or not all(map(is_message, messages)):
        raise TaskError(f"`messages` are objects with `role` ({', '.join(ROLES)}) and `content`, a text")
    if messages[-1]["role"] != "user":
        raise TaskError("the last of the `messages` is the user's")
    return tuple(Turn(message["role"], message["content"]) for message in messages)


def is_message(message: Any) -> bool:
    if not isinstance(message, Mapping):
        return False
    return message.get("role") in ROLES and isinstance(message.get("content"), str)


def first_items(task: Task, limit: int | None) -> Task:
    items: Sequence[Item] = task.items if limit is None else task.items[:limit]
    return Task(task.name, tuple(items), task.longest)
