"""Completions of texts in the form of OpenAI's API: whole, or as the chunks of a stream."""

import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from playground.completions import Event, Finished, Piece, Started, TokenLogprob, Usage
from playground.openai.answer import usage_object
from playground.openai.logprobs import text_rows
from tracing.core.text.tokenizer import TextTokenizer
from training.models import Checkpoint

Chunk = dict[str, Any]


@dataclass(frozen=True)
class WantedTexts:
    """What a request wants: its prompts back before the texts, log-probabilities, token ids."""

    echo: bool = False
    logprobs: int | None = None
    token_ids: bool = False


@dataclass
class Text:
    """One text, followed piece by piece. `prompt` are the ids of its prompt, `number` which prompt it is."""

    index: int
    prompt: Sequence[int]
    number: int
    wanted: WantedTexts
    tokenizer: TextTokenizer
    finished: Finished | None = None
    _chunks: list[Chunk] = field(default_factory=list)
    _characters: int = 0

    def take(self, event: Event) -> list[Chunk]:
        """Take the next event; gives the choices of chunks."""
        match event:
            case Started(prompt_logprobs=rows) if self.wanted.echo:
                return [self._chunk(self.tokenizer.decode(self.prompt)[0], rows, self.prompt)]
            case Piece(token_ids=ids, text=text, logprobs=rows):
                return [self._chunk(text, rows, ids)]
            case Finished(finish_reason=reason):
                self.finished = event
                return [self._chunk("", (), (), reason)]
        return []

    def _chunk(
        self, text: str, rows: Sequence[TokenLogprob], ids: Sequence[int], reason: str | None = None
    ) -> Chunk:
        chunk: Chunk = {"index": self.index, "text": text, "logprobs": None, "finish_reason": reason}
        if rows and self.wanted.logprobs is not None:
            tops = self.wanted.logprobs > 0
            chunk["logprobs"] = text_rows(rows, self.tokenizer, self._characters, tops=tops)
        if self.wanted.token_ids:
            chunk["token_ids"] = list(ids)
        self._characters += len(text)
        self._chunks.append(chunk)
        return chunk

    def whole(self) -> Chunk:
        """The text in one object; its last event must have been taken."""
        text = "".join(chunk["text"] for chunk in self._chunks)
        reason = self.finished.finish_reason if self.finished else None
        whole = {"index": self.index, "text": text, "logprobs": self._all_logprobs(), "finish_reason": reason}
        ids = [i for chunk in self._chunks for i in chunk.get("token_ids", [])]
        return whole | ({"token_ids": ids} if self.wanted.token_ids else {})

    def _all_logprobs(self) -> Chunk | None:
        if self.wanted.logprobs is None:
            return None
        parts = [chunk["logprobs"] for chunk in self._chunks if chunk["logprobs"]]
        joined: Chunk = {
            name: [row for part in parts for row in part[name]] for name in ("tokens", "token_logprobs")
        }
        tops = [row for part in parts for row in part["top_logprobs"] or ()]
        joined["top_logprobs"] = tops if self.wanted.logprobs else None
        return joined | {"text_offset": [place for part in parts for place in part["text_offset"]]}


@dataclass
class Texts:
    """All the texts of one request: `n` of each prompt, a prompt's own one after the other."""

    checkpoint: Checkpoint
    texts: list[Text]
    id: str = field(default_factory=lambda: f"cmpl-{secrets.token_hex(12)}")
    created: int = field(default_factory=lambda: int(time.time()))

    def begin(self) -> list[Chunk]:
        return []

    def take(self, index: int, event: Event) -> list[Chunk]:
        return [self._frame() | {"choices": [choice]} for choice in self.texts[index].take(event)]

    def whole(self) -> Chunk:
        return self._frame() | {"choices": [text.whole() for text in self.texts], "usage": self.usage()}

    def usage_chunk(self) -> Chunk:
        return self._frame() | {"choices": [], "usage": self.usage()}

    @property
    def total(self) -> Usage:
        """Each prompt counts once."""
        prompts = {text.number: len(text.prompt) for text in self.texts}
        sampled = sum(text.finished.usage.completion_tokens for text in self.texts if text.finished)
        return Usage(sum(prompts.values()), sampled)

    def usage(self) -> Chunk:
        return usage_object(self.total)

    def _frame(self) -> Chunk:
        return {
            "id": self.id,
            "object": "text_completion",
            "created": self.created,
            "model": self.checkpoint.name,
            "system_fingerprint": self.checkpoint.digest,
        }
