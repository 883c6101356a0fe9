"""Where the thinking is in a model's raw text, and where the answer: ranges of characters, never copies.

Thinking is what stands between a `<think>` that begins the text and the first `</think>` after it. Everything
else, later mentions of the tags included, is the answer. White space at the inner edges of the tags belongs
to neither part.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Literal

OPEN, CLOSE = "<think>", "</think>"

Range = tuple[int, int]
Part = Literal["thinking", "answer"]


@dataclass(frozen=True)
class ThinkSplit:
    """Character ranges [start, end) of `text`; None for a part that has not begun."""

    text: str
    thinking: Range | None
    answer: Range | None
    thinking_closed: bool

    @property
    def thinking_text(self) -> str:
        return self._of(self.thinking)

    @property
    def answer_text(self) -> str:
        return self._of(self.answer)

    def _of(self, characters: Range | None) -> str:
        return self.text[slice(*characters)] if characters else ""


def split_thinking(text: str, *, final: bool = True) -> ThinkSplit:
    """The parts of a whole text, or with `final=False` of one that still grows.

    While a text grows, an end that may turn out to be a tag, or white space before one, is in no part yet.
    """
    splitter = ThinkSplitter()
    splitter.push(text)
    if final:
        splitter.finish()
    return splitter.split


class _State(Enum):
    BEGINNING = "before anything but white space"
    THINKING = "after <think>"
    CLOSED = "after </think>, before the answer"
    ANSWER = "in the answer"


class ThinkSplitter:
    """Follows a text that comes in chunks, cut anywhere; says what each chunk adds to which part."""

    def __init__(self) -> None:
        self._text = ""
        self._state = _State.BEGINNING
        self._thinking: Range | None = None
        self._answer: Range | None = None
        self._scanned = 0  # no tag begins before this character, or it has been dealt with

    @property
    def split(self) -> ThinkSplit:
        """The parts so far."""
        closed = self._thinking is not None and self._state is not _State.THINKING
        return ThinkSplit(self._text, self._thinking, self._answer, closed)

    def push(self, chunk: str) -> list[tuple[Part, str]]:
        """Take the next characters; gives what they add, at most once a part, thinking first."""
        self._text += chunk
        return self._advance(final=False)

    def finish(self) -> list[tuple[Part, str]]:
        """The text is complete: gives what was held back because it might have become a tag."""
        return self._advance(final=True)

    def _advance(self, *, final: bool) -> list[tuple[Part, str]]:
        thinking, answer = _end(self._thinking), _end(self._answer)
        state = None
        while state is not self._state:
            state = self._state
            self._step(final)
        added: list[tuple[Part, str]] = []
        if new := self._since(thinking, self._thinking):
            added.append(("thinking", new))
        if new := self._since(answer, self._answer):
            added.append(("answer", new))
        return added

    def _since(self, told: int, part: Range | None) -> str:
        return self._text[max(told, part[0]) : part[1]] if part else ""

    def _step(self, final: bool) -> None:
        match self._state:
            case _State.BEGINNING:
                self._begin(final)
            case _State.THINKING:
                self._think(final)
            case _State.CLOSED:
                self._skip_space()
            case _State.ANSWER:
                assert self._answer is not None
                self._answer = (self._answer[0], len(self._text))

    def _begin(self, final: bool) -> None:
        start = _after_space(self._text, 0)
        head = self._text[start : start + len(OPEN)]
        if head == OPEN:
            self._state, self._scanned = _State.THINKING, start + len(OPEN)
        elif final or not OPEN.startswith(head):
            self._answer = (0, 0) if self._text else None
            self._state = _State.ANSWER if self._text else self._state

    def _think(self, final: bool) -> None:
        close = self._text.find(CLOSE, self._scanned)
        end = close if close >= 0 else len(self._text) - (0 if final else _tag_begun(self._text))
        self._grow_thinking(end)
        if close >= 0:
            self._state, self._scanned = _State.CLOSED, close + len(CLOSE)
        else:
            # The tag may be cut by the end of the text: look again from there.
            self._scanned = max(self._scanned, len(self._text) - len(CLOSE) + 1)

    def _grow_thinking(self, end: int) -> None:
        """Thinking reaches to the last visible character before `end`; its start is fixed once it has one."""
        start = self._thinking[0] if self._thinking and self._thinking[1] > self._thinking[0] else None
        if start is None:
            opened = self._text.index(OPEN) + len(OPEN)
            start = min(_after_space(self._text, opened), end)
        self._thinking = (start, max(start, _before_space(self._text, end)))

    def _skip_space(self) -> None:
        start = _after_space(self._text, self._scanned)
        if start < len(self._text):
            self._answer, self._state = (start, start), _State.ANSWER


def _end(characters: Range | None) -> int:
    return characters[1] if characters else 0


def _after_space(text: str, start: int) -> int:
    while start < len(text) and text[start].isspace():
        start += 1
    return start


def _before_space(text: str, end: int) -> int:
    while end > 0 and text[end - 1].isspace():
        end -= 1
    return end


def _tag_begun(text: str) -> int:
    """How many characters at the end of `text` may be the beginning of a closing tag."""
    longest = min(len(CLOSE) - 1, len(text))
    return next((n for n in range(longest, 0, -1) if CLOSE.startswith(text[-n:])), 0)
