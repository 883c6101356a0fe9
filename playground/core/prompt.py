"""From a conversation to the token ids that an engine continues."""

import json
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from playground.core.chat_template import ChatTemplate, read_json, special_tokens
from playground.core.errors import PromptError, PromptTooLong
from playground.core.think_split import OPEN
from playground.core.thinking_controls import ThinkingControls
from playground.core.tools.rendering import render
from tracing.core.errors import TracingError
from tracing.core.text.tokenizer import TextTokenizer

FORMATS_KEPT = 16
Message = Mapping[str, str]
PREFILLED_THINKING = re.compile(rf"{OPEN}\s*\Z")


@dataclass(frozen=True)
class Prompt:
    """`token_ids` are what the engine is given; `begun`, their last ones, already belong to the answer."""

    token_ids: tuple[int, ...]
    begun: tuple[int, ...]


class ChatFormat:
    """How one checkpoint reads a conversation: its template, tokenizer, end tokens and context length.

    `controls` says what the template can be told about thinking.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.tokenizer = TextTokenizer.open(directory)
        self.end_ids = end_ids(directory)
        self.context_tokens = context_tokens(directory)

    @cached_property
    def template(self) -> ChatTemplate:
        """Read when it is needed: a model that only continues texts may have none."""
        return ChatTemplate.open(self.directory)

    @cached_property
    def controls(self) -> ThinkingControls:
        return ThinkingControls.of(self.template.variables)

    def prompt(
        self,
        messages: Sequence[Message],
        *,
        continued: Sequence[int] | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> Prompt:
        """The prompt for the next answer, or with `continued` for more of one that begins with those ids.

        `options` are further variables for the template, as `controls.options` gives them, and as `tools` the
        functions that the model may call, as tools.Function.to_dict writes them.

        A template that opens the thinking itself (as Olmo 3 Think's does) begins the answer with it, so that
        an answer's raw text always holds its own tags.
        """
        rendered, guard = self._render(messages, options or {})
        prefilled = PREFILLED_THINKING.search(rendered)
        structure = rendered[: prefilled.start()] if prefilled else rendered
        begun = self._encode(prefilled.group(), guard) if prefilled else []
        if continued is not None:
            begun = list(continued)
        ids = self._encode(structure, guard) + begun
        new = begun if continued is None else []
        return Prompt(tuple(ids), tuple(new))

    def text_prompt(self, text: str) -> Prompt:
        """A text to be continued as it stands: special tokens that it spells out are these tokens."""
        ids = self._encode_part(text, {}) or self._beginning
        if not ids:
            raise PromptError("The prompt is empty, and this model has no token that begins a text.")
        return Prompt(tuple(ids), ())

    def ids_prompt(self, token_ids: Sequence[int]) -> Prompt:
        """Token ids to be continued. PromptError for none, or one outside the vocabulary."""
        largest = self.tokenizer.vocab_size - 1
        if not token_ids or not all(0 <= i <= largest for i in token_ids):
            raise PromptError(f"A prompt of token ids has one at least, each from 0 to {largest}.")
        return Prompt(tuple(token_ids), ())

    @cached_property
    def _beginning(self) -> list[int]:
        """What an empty text begins with: the token that begins texts, else the one between them."""
        tokens = special_tokens(read_json(self.directory / "tokenizer_config.json"))
        return next(
            (self.tokenizer.encode(tokens[n])[0] for n in ("bos_token", "eos_token") if n in tokens), []
        )

    def room(self, prompt: Prompt) -> int:
        """How many new tokens fit behind the prompt; PromptTooLong where none does."""
        room = self.context_tokens - len(prompt.token_ids)
        if room < 1:
            raise PromptTooLong(
                f"The conversation has {len(prompt.token_ids):,} tokens and this model reads at most "
                f"{self.context_tokens:,}, its answer included. Shorten it, or begin a new one."
            )
        return room

    def _render(self, messages: Sequence[Message], options: Mapping[str, Any]) -> tuple[str, dict[str, str]]:
        """The text, with stand-ins for special tokens that a message spells out, and what they stand for."""
        others = dict(options)
        tools = json.dumps(others.pop("tools", ()), ensure_ascii=False)
        given = "\n".join([tools, *(value for message in messages for value in message.values())])
        spelled = [token for token in self._special_texts if token in given]
        guard = {f"\ue000{secrets.token_hex(8)}\ue001": token for token in spelled}
        safe = [{key: stand_in(value, guard) for key, value in message.items()} for message in messages]
        functions = json.loads(stand_in(tools, guard))

        def template(turns: Sequence[Message], tools: Sequence[Mapping[str, Any]] | None) -> str:
            return self.template.render(turns, tools=tools, **others)

        return render(template, safe, functions), guard

    def _encode(self, text: str, guard: Mapping[str, str]) -> list[int]:
        """Ids of the text. What a message spells out is text to the model, never the edge of a turn."""
        if not guard:
            return self._encode_part(text, guard)
        pattern = "|".join(map(re.escape, guard))
        ids: list[int] = []
        for part in re.split(f"({pattern})", text):
            ids += self._encode_part(part, guard)
        return ids

    def _encode_part(self, part: str, guard: Mapping[str, str]) -> list[int]:
        if part in guard:
            return list(self._literal_tokenizer.encode(guard[part], add_special_tokens=False).ids)
        try:
            return self.tokenizer.ids(part)
        except TracingError as error:
            raise PromptError(str(error)) from error

    @cached_property
    def _special_texts(self) -> list[str]:
        """Longest first, so that one that begins with another is found whole."""
        texts = [self.tokenizer.decode([i])[0] for i in sorted(self.tokenizer.special_ids)]
        return sorted(texts, key=len, reverse=True)

    @cached_property
    def _literal_tokenizer(self) -> Tokenizer:
        """The same tokenizer, which takes special tokens apart like any text."""
        tokenizer = Tokenizer.from_file(str(self.directory / "tokenizer.json"))
        tokenizer.encode_special_tokens = True
        return tokenizer


_formats: dict[tuple[Path, str], ChatFormat] = {}


def chat_format(directory: Path, digest: str) -> ChatFormat:
    """The format of a published checkpoint, kept; `digest` of its weights tells two of one name apart."""
    known = _formats.get((directory, digest))
    if known is None:
        known = ChatFormat(directory)
        while len(_formats) >= FORMATS_KEPT:
            _formats.pop(next(iter(_formats)), None)
        _formats[directory, digest] = known
    return known


def is_read(directory: Path, digest: str) -> bool:
    """Whether `chat_format` answers at once, without reading files."""
    return (directory, digest) in _formats


def stand_in(text: str, guard: Mapping[str, str]) -> str:
    for mark, token in guard.items():
        text = text.replace(token, mark)
    return text


def end_ids(directory: Path) -> frozenset[int]:
    """The ids that end an answer, from generation_config.json, else from config.json."""
    for name in ("generation_config.json", "config.json"):
        value = read_json(directory / name).get("eos_token_id")
        ids = value if isinstance(value, list) else [value]
        if found := frozenset(i for i in ids if isinstance(i, int)):
            return found
    return frozenset()


def context_tokens(directory: Path) -> int:
    length = read_json(directory / "config.json").get("max_position_embeddings")
    if not isinstance(length, int):
        raise PromptError(
            f"{directory}/config.json names no max_position_embeddings: restore the checkpoint."
        )
    return length
