"""A token store's files: names, widths, pointers; infini-gram's version 4 layout, little-endian."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np

from tracing.core.errors import InputError

FORMAT: Final = "headwater-store/1"
MANIFEST: Final = "manifest.json"
DATA_FILES: Final = ("tokenized", "offset", "metadata", "metaoff", "table", "unigram")
BLOCKS: Final = "blocks"
BLOCK_BYTES: Final = 1 << 16
OFFSET_BYTES: Final = 8


@dataclass(frozen=True)
class TokenType:
    """How a token id lies on disk: `width_bytes`, little-endian; the all-ones value separates documents."""

    name: str
    width_bytes: int

    @property
    def separator(self) -> int:
        """The id that no text token may have, since it starts every document."""
        return (1 << 8 * self.width_bytes) - 1

    @cached_property
    def numpy(self) -> np.dtype[Any]:
        return np.dtype(f"<u{self.width_bytes}")


TOKEN_TYPES: Final = {
    kind.name: kind for kind in (TokenType("u8", 1), TokenType("u16", 2), TokenType("u32", 4))
}


def token_type(name: str) -> TokenType:
    """The token type called "u8", "u16" or "u32"; InputError for any other name."""
    try:
        return TOKEN_TYPES[name]
    except KeyError:
        raise InputError(f"Unknown token type {name!r}: use one of {', '.join(TOKEN_TYPES)}.") from None


def pointer_bytes(size_bytes: int) -> int:
    """Bytes of one suffix-array pointer into a file of `size_bytes`: ceil(log2(size) / 8), at least 1.

    Equal to infini-gram's indexer except at size 1 (a u8 store of one empty document), where its
    formula gives a pointer of no bytes at all.
    """
    return max(1, ((size_bytes - 1).bit_length() + 7) // 8)


def block_count(size_bytes: int) -> int:
    """Number of checksummed blocks in a file of `size_bytes`."""
    return -(-size_bytes // BLOCK_BYTES)


def shard_files(shard: int) -> tuple[str, ...]:
    """Names of one shard's files, in the order that `blocks.N` lists their checksums, blocks.N last."""
    return (*(f"{stem}.{shard}" for stem in DATA_FILES), f"{BLOCKS}.{shard}")
