"""An answer in the forms of OpenAI's API: whole, or as the chunks of a stream."""

import secrets
import time
from dataclasses import dataclass, field
from typing import Any

from playground.completions import Event, Finished, Piece, Usage
from playground.openai.choices import Choice, Wanted
from tracing.core.text.tokenizer import TextTokenizer
from training.models import Checkpoint


@dataclass
class Answer:
    """Follows one answer with its choices. `tokenizer` is needed for log-probabilities alone."""

    checkpoint: Checkpoint
    wanted: Wanted = field(default_factory=Wanted)
    n: int = 1
    tokenizer: TextTokenizer | None = None
    id: str = field(default_factory=lambda: f"chatcmpl-{secrets.token_hex(12)}")
    created: int = field(default_factory=lambda: int(time.time()))

    def __post_init__(self) -> None:
        self.choices = [Choice(index, self.wanted, self.tokenizer) for index in range(self.n)]

    def begin(self) -> list[dict[str, Any]]:
        """The chunks that open a stream."""
        return [self.chunk(each.chunk({"role": "assistant", "content": ""})) for each in self.choices]

    def take(self, index: int, event: Event) -> list[dict[str, Any]]:
        """Take a choice's next event; gives the chunks that say what it adds."""
        match event:
            case Piece():
                return [self.chunk(choice) for choice in self.choices[index].add(event)]
            case Finished():
                return [self.chunk(choice) for choice in self.choices[index].end(event)]
        return []

    def chunk(self, choice: dict[str, Any]) -> dict[str, Any]:
        return self._frame("chat.completion.chunk") | {"choices": [choice]}

    def usage_chunk(self) -> dict[str, Any]:
        return self._frame("chat.completion.chunk") | {"choices": [], "usage": self.usage()}

    def whole(self) -> dict[str, Any]:
        """The answer in one object; its last events must have been taken."""
        choices = [choice.whole() for choice in self.choices]
        return self._frame("chat.completion") | {"choices": choices, "usage": self.usage()}

    def usage(self) -> dict[str, Any]:
        """The prompt counts once, however many choices it has."""
        thinking = sum(choice.thinking_tokens for choice in self.choices)
        details = {"completion_tokens_details": {"reasoning_tokens": thinking}}
        return usage_object(self.total) | details

    @property
    def total(self) -> Usage:
        counts = [choice.finished.usage for choice in self.choices if choice.finished]
        prompt = max((count.prompt_tokens for count in counts), default=0)
        return Usage(prompt, sum(count.completion_tokens for count in counts))

    def _frame(self, kind: str) -> dict[str, Any]:
        return {
            "id": self.id,
            "object": kind,
            "created": self.created,
            "model": self.checkpoint.name,
            "system_fingerprint": self.checkpoint.digest,
        }


def usage_object(usage: Usage) -> dict[str, Any]:
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
    }
