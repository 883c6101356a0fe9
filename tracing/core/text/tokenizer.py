"""A model's tokenizer, as tracing needs it: ids with character offsets, both ways."""

import json
from collections.abc import Sequence
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from tracing.core.errors import InputError, StoreDamaged, StoreMismatch, StoreMissing
from tracing.core.stores.manifest import sha256
from tracing.core.text.decoding import Offsets, decode_tokens
from tracing.core.text.token_bytes import token_bytes
from tracing.core.text.token_ids import as_token_ids


class TextTokenizer:
    """A Hugging Face tokenizer read from `tokenizer.json`: byte-level BPE (Olmo, GPT-2, Llama 3, Qwen),
    SentencePiece (Llama 2, Mistral, Gemma, T5) or WordPiece (BERT).

    `digest` names it in stores and checkpoints: "sha256:<hex>" of the file. `vocab_size` is one more
    than the largest id, added tokens included. `special_ids` are the ids of special tokens,
    `markup_ids` these and other added tokens that are tags, such as `<think>`: no text of their own.
    """

    markup_ids: frozenset[int] = frozenset()

    def __init__(self, content: bytes, origin: Path) -> None:
        self.digest, self.content = sha256(content), content
        try:
            self._tokenizer = Tokenizer.from_str(content.decode())
            decoder = json.loads(content)["decoder"]
        except Exception as error:  # the library raises bare Exception for a file it cannot read
            raise StoreDamaged(f"{origin} is no tokenizer ({error}): restore it.") from error
        self._pieces = token_bytes(self._tokenizer, decoder, origin)
        self.vocab_size = len(self._pieces)
        added = self._tokenizer.get_added_tokens_decoder()
        self.special_ids = frozenset(i for i, token in added.items() if token.special)
        self.markup_ids = self.special_ids | {i for i, token in added.items() if _is_tag(token.content)}

    @classmethod
    def open(cls, directory: Path) -> Self:
        """Read `directory`/tokenizer.json; StoreMissing, StoreDamaged or StoreMismatch if it will not do."""
        path = directory / "tokenizer.json"
        try:
            return cls(path.read_bytes(), path)
        except OSError as error:
            raise StoreMissing(f"No tokenizer at {path} ({error}): name a tokenizer's directory.") from error

    def encode(self, text: str) -> tuple[list[int], Offsets]:
        """Ids of `text`, no special tokens added, and the (start, end) characters that each one holds.

        A special token's own text ("<|im_end|>") becomes that token. Where the ids do not hold the very
        text, because the tokenizer changes letters or spaces first, the offsets are the tokenizer's own.
        """
        encoding = self._tokenizer.encode(_valid(text), add_special_tokens=False)
        decoded, offsets = self.decode(encoding.ids)
        if decoded == text:
            return encoding.ids, offsets
        if decoded.startswith(" ") and decoded[1:] == text:
            return encoding.ids, [(max(0, start - 1), max(0, end - 1)) for start, end in offsets]
        return encoding.ids, _in_order(encoding.offsets)

    def ids(self, text: str) -> list[int]:
        """As `encode`, without the places."""
        return list(self._tokenizer.encode(_valid(text), add_special_tokens=False).ids)

    def decode(self, token_ids: Sequence[int] | NDArray[Any]) -> tuple[str, Offsets]:
        """Text of `token_ids`, special tokens included, and the characters of each, as `decode_tokens`.

        InputError for an id outside the vocabulary.
        """
        return decode_tokens(self.pieces(token_ids))

    def pieces(self, token_ids: Sequence[int] | NDArray[Any]) -> list[bytes]:
        """The bytes of each token."""
        ids = as_token_ids(token_ids)
        outside = (ids < 0) | (ids >= self.vocab_size)
        if outside.any():
            raise InputError(f"Token id {ids[outside][0]} is not in the vocabulary 0..{self.vocab_size - 1}.")
        return [self._pieces[i] for i in ids.tolist()]

    @cached_property
    def piece_bytes(self) -> NDArray[np.int64]:
        """How many bytes each token has; shape [vocab_size]."""
        return np.array([len(piece) for piece in self._pieces], dtype=np.int64)

    @cached_property
    def _array(self) -> NDArray[np.object_]:
        """The bytes of each token, as numpy picks them: some three times as fast as one after the other."""
        return np.array(self._pieces, dtype=np.object_)

    def stored_pieces(self, token_ids: NDArray[Any]) -> list[bytes]:
        """The bytes of tokens read from a store; StoreMismatch for an id outside the vocabulary."""
        try:
            pieces: list[bytes] = self._array[token_ids].tolist()
            return pieces
        except IndexError:
            raise StoreMismatch(
                f"The store holds token id {token_ids.max()}, this tokenizer ends at {self.vocab_size - 1}: "
                "use the tokenizer that it was written with."
            ) from None


def _in_order(offsets: Offsets) -> Offsets:
    """The offsets, none of which starts or ends before the one before it."""
    starts = accumulate((start for start, _ in offsets), max)
    return list(zip(starts, accumulate((end for _, end in offsets), max), strict=True))


def _valid(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InputError(f"The text holds half a surrogate pair at character {error.start}.") from None
    return text


def _is_tag(token: str) -> bool:
    """Not every added token is one: GPT-NeoX's vocabulary adds runs of spaces."""
    return token.startswith("<") and token.endswith(">")
