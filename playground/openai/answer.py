"""An answer in the forms of OpenAI's API: whole, or as the chunks of a stream."""

import secrets
import time
from dataclasses import dataclass, field
from typing import Any

from playground.completions import Finished, Piece, Usage
from playground.core.think_split import ThinkSplitter
from training.models import Checkpoint


@dataclass
class Answer:
    """Follows one answer. Thinking goes to `reasoning` and to `reasoning_content`: clients differ."""

    checkpoint: Checkpoint
    return_token_ids: bool = False
    id: str = field(default_factory=lambda: f"chatcmpl-{secrets.token_hex(12)}")
    created: int = field(default_factory=lambda: int(time.time()))
    token_ids: list[int] = field(default_factory=list)
    thinking_tokens: int = 0
    _parts: ThinkSplitter = field(default_factory=ThinkSplitter)

    def add(self, piece: Piece) -> list[dict[str, Any]]:
        """Take the next piece; gives the chunks that say what it adds."""
        self.token_ids.extend(piece.token_ids)
        deltas = self._deltas(self._parts.push(piece.text))
        split = self._parts.split
        if split.thinking is not None and split.answer is None:
            self.thinking_tokens = len(self.token_ids)
        if self.return_token_ids:
            deltas = deltas or [{}]
        chunks = [self.chunk(delta) for delta in deltas]
        if self.return_token_ids:
            chunks[0]["choices"][0]["token_ids"] = list(piece.token_ids)
        return chunks

    def end(self, finished: Finished) -> list[dict[str, Any]]:
        """The last chunks: what was held back as a possible tag, and why the answer ended."""
        rest = [self.chunk(delta) for delta in self._deltas(self._parts.finish())]
        return [*rest, self.chunk({}, finish_reason=finished.finish_reason)]

    def chunk(self, delta: dict[str, Any], *, finish_reason: str | None = None) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        return self._frame("chat.completion.chunk") | {"choices": [choice]}

    def usage_chunk(self, usage: Usage) -> dict[str, Any]:
        return self._frame("chat.completion.chunk") | {"choices": [], "usage": self.usage(usage)}

    def whole(self, finished: Finished) -> dict[str, Any]:
        """The answer in one object; its last events must have been added."""
        split = self._parts.split
        thinking = None if split.thinking is None else split.thinking_text
        message = {"role": "assistant", "content": split.answer_text, "refusal": None}
        message |= {"reasoning": thinking, "reasoning_content": thinking}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finished.finish_reason}
        if self.return_token_ids:
            choice["token_ids"] = self.token_ids
        return self._frame("chat.completion") | {"choices": [choice], "usage": self.usage(finished.usage)}

    def usage(self, usage: Usage) -> dict[str, Any]:
        return {
            "prompt_tokens": usage.prompt_tokens,
            "completion_tokens": usage.completion_tokens,
            "total_tokens": usage.prompt_tokens + usage.completion_tokens,
            "completion_tokens_details": {"reasoning_tokens": self.thinking_tokens},
        }

    def _deltas(self, added: list[tuple[str, str]]) -> list[dict[str, Any]]:
        names = {"thinking": ("reasoning", "reasoning_content"), "answer": ("content",)}
        return [dict.fromkeys(names[part], text) for part, text in added]

    def _frame(self, kind: str) -> dict[str, Any]:
        return {
            "id": self.id,
            "object": kind,
            "created": self.created,
            "model": self.checkpoint.name,
            "system_fingerprint": self.checkpoint.digest,
        }
