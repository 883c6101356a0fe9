"""Reads the calls in a model's text: `name(key=json, ...)`, one a line, between <function_calls> tags."""

import ast
import json
import re
from dataclasses import dataclass
from typing import Any, NoReturn

from playground.core.tools.functions import ToolCall
from training.core.functions import ARGUMENT_NAME
from training.core.functions import CALLS_CLOSE as CLOSE
from training.core.functions import CALLS_OPEN as OPEN

BETWEEN = re.compile(r"[\s,;\[\]]*")
BEGINNING = re.compile(r"([A-Za-z_][\w.-]*)\s*\(\s*")
KEY = re.compile(rf"({ARGUMENT_NAME.pattern})\s*=\s*")
END_OF_VALUE = re.compile(r"\s*(,\s*\)|,|\))\s*")
MAX_ENDS = 64
"""How many places are tried as the end of a value that is no JSON."""


def parse(text: str) -> tuple[ToolCall, ...]:
    """The calls of a block, without its tags. ValueError where it is anything else."""
    calls: list[ToolCall] = []
    at = after(BETWEEN, text, 0)
    while at < len(text):
        call, at = read_call(text, at)
        calls.append(call)
        at = after(BETWEEN, text, at)
    if not calls:
        raise ValueError("no call")
    return tuple(calls)


def read_call(text: str, at: int) -> tuple[ToolCall, int]:
    """The call that begins at a character, and where it ends."""
    if not (begun := BEGINNING.match(text, at)):
        raise ValueError(f"no name of a function at character {at}")
    arguments: dict[str, Any] = {}
    at = begun.end()
    if text[at : at + 1] == ")":
        return ToolCall(begun[1], arguments), at + 1
    while key := KEY.match(text, at):
        arguments[key[1]], at = read_value(text, key.end())
        if not (ended := END_OF_VALUE.match(text, at)):
            break
        at = ended.end()
        if ended[1].endswith(")"):
            return ToolCall(begun[1], arguments), at
    raise ValueError(f"the call of {begun[1]} does not end")


def read_value(text: str, at: int) -> tuple[Any, int]:
    """JSON, or what Python writes for the same: models mix the two."""
    try:
        value, end = DECODER.raw_decode(text, at)
        if END_OF_VALUE.match(text, end):
            return value, end
    except (ValueError, RecursionError):
        pass
    for number, ended in enumerate(END_OF_VALUE.finditer(text, at)):
        if number == MAX_ENDS:
            break
        try:
            value = ast.literal_eval(text[at : ended.start()].strip())
            return json.loads(json.dumps(value, allow_nan=False)), ended.start()
        except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
            continue
    raise ValueError(f"no value at character {at}")


def refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


DECODER = json.JSONDecoder(strict=False, parse_constant=refuse_constant)


def after(pattern: re.Pattern[str], text: str, at: int) -> int:
    match = pattern.match(text, at)
    return match.end() if match else at


@dataclass
class CallSplitter:
    """Follows an answer that comes in pieces, cut anywhere: gives its text and its calls, in order.

    White space before a block of calls belongs to no part. A block that cannot be read is text, with its
    tags.
    """

    called: bool = False
    _held: str = ""
    _inside: bool = False

    def push(self, text: str) -> list[str | ToolCall]:
        """The next piece of the answer; gives what is certain by now."""
        self._held += text
        given: list[str | ToolCall] = []
        while (found := self._held.find(CLOSE if self._inside else OPEN)) >= 0:
            given += self._block(found) if self._inside else self._text_before(found)
            self._inside = not self._inside
        if not self._inside:
            sure = len(self._held) - uncertain(self._held)
            given += [self._held[:sure]] if sure else []
            self._held = self._held[sure:]
        return given

    def finish(self) -> list[str | ToolCall]:
        """The answer ended: calls whose closing tag is missing count, if they are whole."""
        held, self._held = self._held, ""
        if not self._inside:
            return [held] if held.strip() or (held and not self.called) else []
        return self._read(held, OPEN + held)

    def _text_before(self, found: int) -> list[str | ToolCall]:
        before, self._held = self._held[:found].rstrip(), self._held[found + len(OPEN) :]
        return [before] if before else []

    def _block(self, found: int) -> list[str | ToolCall]:
        block, self._held = self._held[:found], self._held[found + len(CLOSE) :]
        return self._read(block, OPEN + block + CLOSE)

    def _read(self, block: str, raw: str) -> list[str | ToolCall]:
        try:
            calls = parse(block)
        except ValueError:
            return [raw]
        self.called = True
        return list(calls)


def uncertain(text: str) -> int:
    """How many characters at the end may be white space before a block, or the beginning of its tag."""
    return len(text) - len(text[: len(text) - tag_begun(text)].rstrip())


def tag_begun(text: str) -> int:
    """How many characters at the end may be the beginning of a block's tag."""
    longest = min(len(OPEN) - 1, len(text))
    return next((n for n in range(longest, 0, -1) if OPEN.startswith(text[-n:])), 0)
