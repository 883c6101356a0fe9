"""One choice of a chat's answer, followed piece by piece: its thinking, text and calls, told apart."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from playground.completions import Finished, Piece
from playground.core.think_split import ThinkSplitter
from playground.core.tools import CallSplitter, ToolCall
from playground.openai.logprobs import chat_rows
from tracing.core.text.tokenizer import TextTokenizer

Chunk = dict[str, Any]


@dataclass(frozen=True)
class Wanted:
    """What a request wants beside the text: token ids, so many log-probabilities, calls of functions."""

    token_ids: bool = False
    logprobs: int | None = None
    calls: bool = False


@dataclass
class Choice:
    """Thinking goes to `reasoning` and to `reasoning_content`: clients differ."""

    index: int
    wanted: Wanted
    tokenizer: TextTokenizer | None = None
    token_ids: list[int] = field(default_factory=list)
    thinking_tokens: int = 0
    finished: Finished | None = None
    calls: list[ToolCall] = field(default_factory=list)
    _content: list[str] = field(default_factory=list)
    _logprobs: list[Chunk] = field(default_factory=list)
    _parts: ThinkSplitter = field(default_factory=ThinkSplitter)
    _calls: CallSplitter = field(default_factory=CallSplitter)

    def add(self, piece: Piece) -> list[Chunk]:
        """Take the next piece; gives what it adds, as the choices of chunks."""
        self.token_ids.extend(piece.token_ids)
        deltas = self._deltas(self._parts.push(piece.text))
        split = self._parts.split
        if split.thinking is not None and split.answer is None:
            self.thinking_tokens = len(self.token_ids)
        return self._with_tokens(piece, [self.chunk(delta) for delta in deltas])

    def _with_tokens(self, piece: Piece, chunks: list[Chunk]) -> list[Chunk]:
        """The first chunk tells of the tokens; there is one for them even where no text is certain yet."""
        if self.wanted.token_ids:
            chunks = chunks or [self.chunk({})]
            chunks[0]["token_ids"] = list(piece.token_ids)
        if self.wanted.logprobs is not None and piece.logprobs:
            assert self.tokenizer is not None
            rows = chat_rows(piece.logprobs, self.tokenizer, self.wanted.logprobs)
            self._logprobs += rows
            chunks = chunks or [self.chunk({})]
            chunks[0]["logprobs"] = {"content": rows, "refusal": None}
        return chunks

    def end(self, finished: Finished) -> list[Chunk]:
        """The last ones: what was held back as a possible tag, and why the answer ended."""
        self.finished = finished
        deltas = self._deltas(self._parts.finish())
        if self.wanted.calls:
            deltas += self._answer_deltas(self._calls.finish())
        return [*map(self.chunk, deltas), self.chunk({}, finish_reason=self.finish_reason)]

    @property
    def finish_reason(self) -> str | None:
        if self.finished is None:
            return None
        return "tool_calls" if self.calls else self.finished.finish_reason

    def chunk(self, delta: Chunk, *, finish_reason: str | None = None) -> Chunk:
        return {"index": self.index, "delta": delta, "logprobs": None, "finish_reason": finish_reason}

    def whole(self) -> Chunk:
        """The choice in one object; its last pieces must have been added."""
        split = self._parts.split
        thinking = None if split.thinking is None else split.thinking_text
        content = "".join(self._content)
        message = {"role": "assistant", "content": content or (None if self.calls else ""), "refusal": None}
        message |= {"reasoning": thinking, "reasoning_content": thinking}
        if self.calls:
            message["tool_calls"] = [call_object(call) for call in self.calls]
        logprobs = {"content": self._logprobs, "refusal": None} if self.wanted.logprobs is not None else None
        choice = {"index": self.index, "message": message, "logprobs": logprobs}
        choice["finish_reason"] = self.finish_reason
        return choice | ({"token_ids": self.token_ids} if self.wanted.token_ids else {})

    def _deltas(self, added: list[tuple[str, str]]) -> list[Chunk]:
        deltas: list[Chunk] = []
        for part, text in added:
            if part == "thinking":
                deltas.append({"reasoning": text, "reasoning_content": text})
            else:
                deltas += self._answer_deltas(self._calls.push(text) if self.wanted.calls else [text])
        return deltas

    def _answer_deltas(self, parts: Sequence[str | ToolCall]) -> list[Chunk]:
        return [self._call_delta(part) if isinstance(part, ToolCall) else self._text(part) for part in parts]

    def _text(self, text: str) -> Chunk:
        self._content.append(text)
        return {"content": text}

    def _call_delta(self, call: ToolCall) -> Chunk:
        """A call comes whole: half a call is of no use to anybody."""
        self.calls.append(call)
        return {"tool_calls": [{"index": len(self.calls) - 1, **call_object(call)}]}


def call_object(call: ToolCall) -> Chunk:
    return {
        "id": call.id,
        "type": "function",
        "function": {"name": call.name, "arguments": call.arguments_json},
    }
