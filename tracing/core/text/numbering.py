"""A stand-in for a tokenizer that is not at hand, so that ids can be traced in a store that came alone."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from numpy.typing import NDArray

from tracing.core.errors import InputError, StoreError
from tracing.core.text.token_ids import as_token_ids
from tracing.core.text.tokenizer import TextTokenizer

ID_LIMIT = 1 << 32


class NumberTokenizer(TextTokenizer):
    """Shows every token as its number and a space. It has the digest it is given, and encodes nothing."""

    def __init__(self, digest: str) -> None:
        self.digest, self.vocab_size, self.special_ids = digest, ID_LIMIT, frozenset()

    def encode(self, text: str) -> tuple[list[int], list[tuple[int, int]]]:
        return ([], []) if not text else self._refuse()

    def pieces(self, token_ids: Sequence[int] | NDArray[Any]) -> list[bytes]:
        return [f"{token} ".encode() for token in as_token_ids(token_ids).tolist()]

    def stored_pieces(self, token_ids: NDArray[Any]) -> list[bytes]:
        return self.pieces(token_ids)

    def _refuse(self) -> NoReturn:
        raise InputError(
            f"The tokenizer with digest {self.digest} was not found, so text cannot be made into its ids: "
            "name its directory, or give token ids."
        )


def find_tokenizer(digest: str, folders: Iterable[Path]) -> TextTokenizer:
    """The tokenizer with this digest in one of the folders, or else numbers in its place."""
    for folder in folders:
        try:
            tokenizer = TextTokenizer.open(folder)
        except StoreError:
            continue
        if tokenizer.digest == digest:
            return tokenizer
    return NumberTokenizer(digest)
