"""What a caller asks of a trace."""

from collections.abc import Sequence, Sized
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from tracing.core.documents.filters import DocumentFilter
from tracing.core.errors import InputError
from tracing.core.matching.spans import SpanOptions
from tracing.core.text.decoding import Offsets
from tracing.core.text.token_ids import as_token_ids
from tracing.core.text.tokenizer import TextTokenizer

TOKENS_MAX = 65_536
"""The longest context of the models that we serve."""

CHARACTERS_MAX = 16 * TOKENS_MAX
"""Longer texts are not even tokenised: prose has four characters a token, hardly any text has ten."""


@dataclass(frozen=True, kw_only=True)
class TraceRequest(SpanOptions):
    """What to trace, and how.

    `token_ids` are the answer's own sampled ids. `text` and `offsets` are theirs as the page shows
    them, by default decoded by the tracer's tokenizer. `prompt_text` counts for relevance only.
    `max_documents` is for each span, `wanted` says which of them; `stages` limits the search to
    stores of these stages; `seed` draws the documents. `raw` asks for all maximal spans with their
    counts, and no documents; those matched on bytes are whole words as ever.
    """

    token_ids: Sequence[int] | NDArray[Any]
    text: str | None = None
    offsets: Offsets | None = None
    prompt_text: str = ""
    max_documents: int = 10
    stages: tuple[str, ...] | None = None
    wanted: DocumentFilter = field(default_factory=DocumentFilter)
    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.token_ids, Sized) and len(self.token_ids) > TOKENS_MAX:
            raise InputError(f"The text has {len(self.token_ids)} tokens: give 1 to {TOKENS_MAX}.")
        ids = as_token_ids(self.token_ids)
        if not 0 < ids.size <= TOKENS_MAX:
            raise InputError(f"The text has {ids.size} tokens: give 1 to {TOKENS_MAX}.")
        if type(self.max_documents) is not int or not 0 <= self.max_documents <= 100:
            raise InputError(f"max_documents is {self.max_documents!r}: give a whole number from 0 to 100.")
        if type(self.seed) is not int or self.seed < 0:
            raise InputError(f"seed is {self.seed!r}: give a whole number from 0.")
        if (self.text is None) != (self.offsets is None):
            raise InputError("text and offsets go together: give both, or neither.")
        _check_length("The prompt", self.prompt_text)
        if self.text is not None and self.offsets is not None:
            _check_offsets(self.text, self.offsets, ids.size)

    @classmethod
    def of_text(cls, text: str, tokenizer: TextTokenizer, **options: Any) -> Self:
        """A request for a text that no model sampled: its ids are the tokenizer's."""
        _check_length("The text", text)
        ids, offsets = tokenizer.encode(text)
        return cls(token_ids=ids, text=text, offsets=offsets, **options)


def _check_length(name: str, text: str) -> None:
    if len(text) > CHARACTERS_MAX:
        raise InputError(f"{name} has {len(text)} characters: give at most {CHARACTERS_MAX}.")


def _check_offsets(text: str, offsets: Offsets, tokens: int) -> None:
    """InputError unless there are characters of `text` for every token, in order."""
    bounds = np.array(offsets, dtype=np.int64).reshape(-1, 2)
    sound = len(bounds) == tokens and (bounds >= 0).all() and (bounds <= len(text)).all()
    if not sound or (bounds[:, 0] > bounds[:, 1]).any() or (np.diff(bounds, axis=0) < 0).any():
        raise InputError(
            f"offsets must give the characters of all {tokens} tokens, in order, inside the text."
        )
