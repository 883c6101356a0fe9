"""Documents cut into passages: what is indexed, found and shown."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tracing.core.search.dates import date_number
from tracing.core.search.words import words_of
from tracing.core.stores.manifest import Manifest
from tracing.core.stores.store import TokenStore
from tracing.core.text.decoding import whole_characters
from tracing.core.text.tokenizer import TextTokenizer

PASSAGE_TOKENS: Final = 1000
SOURCE_CHARACTERS_MAX: Final = 500
LABEL_CHARACTERS_MAX: Final = 200

_DOCUMENTS_MAX: Final = (1 << 32) - 1
_PASSAGES_MAX: Final = 15


@dataclass(frozen=True)
class Passage:
    """Tokens start:stop of a document, as they are indexed.

    `store` is the digest of the store's manifest, `words` the normalised words with a space between them,
    `date` a number as in dates.py.
    """

    store: str
    document: int
    number: int
    start: int
    stop: int
    words: str
    stage: str
    licence: str
    source: str
    date: int

    @property
    def key(self) -> str:
        """The passage's identity: indexing it twice is the same as once."""
        return f"{self.store}:{self.document}:{self.number}"

    @property
    def rank(self) -> int:
        """Falls in the order of newest first, then by place in the store. Below 2^63."""
        place = _DOCUMENTS_MAX - min(self.document, _DOCUMENTS_MAX)
        return (self.date << 36) | (place << 4) | (_PASSAGES_MAX - min(self.number, _PASSAGES_MAX))

    @property
    def tie(self) -> int:
        """Orders passages of equal rank, which are of different stores. Below 2^56."""
        return int.from_bytes(hashlib.sha256(self.store.encode()).digest()[:7])


def passages_of(store: TokenStore, document: int, tokenizer: TextTokenizer) -> Iterator[Passage]:
    """The passages of a document, in order; an empty document has one without words.

    Raises StoreDamaged or StoreMismatch.
    """
    tokens = store.token_ids(document)
    fields = described(store.manifest, store.metadata(document))
    for number, (start, stop) in enumerate(cut(tokens, tokenizer)):
        text = b"".join(readable_pieces(tokens[start:stop], tokenizer)).decode("utf-8", "replace")
        words = " ".join(words_of(text))
        yield Passage(store.manifest.digest, document, number, start, stop, words, **fields)


def readable_pieces(tokens: NDArray[Any], tokenizer: TextTokenizer) -> list[bytes]:
    """The bytes of each token, a line break in place of special tokens and tags: nobody wrote those."""
    pieces = tokenizer.stored_pieces(tokens)
    for place in np.flatnonzero(np.isin(tokens, list(tokenizer.markup_ids))).tolist():
        pieces[place] = b"\n"
    return pieces


def cut(tokens: NDArray[Any], tokenizer: TextTokenizer) -> Iterator[tuple[int, int]]:
    """Consecutive ranges of at most PASSAGE_TOKENS tokens.

    A range ends before a line break or else a space in its last quarter; where there is neither, at the
    start of a character.
    """
    start = 0
    while start + PASSAGE_TOKENS < tokens.size:
        pieces = tokenizer.stored_pieces(tokens[start : start + PASSAGE_TOKENS + 1])
        stop = start + _best_end(pieces)
        yield start, stop
        start = stop
    yield start, tokens.size


def _best_end(pieces: list[bytes]) -> int:
    """How many of all but the last piece to take."""
    last_quarter = range(PASSAGE_TOKENS, PASSAGE_TOKENS * 3 // 4, -1)
    for space in (b"\n", b" "):
        for end in last_quarter:
            if pieces[end].startswith(space):
                return end
    return whole_characters(pieces, 0, PASSAGE_TOKENS)[1] or PASSAGE_TOKENS


def described(manifest: Manifest, metadata: Mapping[str, Any]) -> dict[str, Any]:
    """What a document's passages can be filtered by; what it does not say of itself, its store says."""

    def label(name: str, default: str, characters: int) -> str:
        value = metadata.get(name)
        return str(default if value in (None, "") else value)[:characters]

    return {
        "stage": label("stage", manifest.stage, LABEL_CHARACTERS_MAX),
        "licence": label("licence", manifest.licence, LABEL_CHARACTERS_MAX),
        "source": label("source", manifest.source, SOURCE_CHARACTERS_MAX),
        "date": date_number(metadata.get("date")),
    }
