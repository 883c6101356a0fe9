"""Byte twins: a small store's documents once more, as the UTF-8 bytes of their text.

The boundaries of tokens hide matches: an answer's ids may split the same words otherwise than a
document's. Bytes have no such boundaries. A twin is a token store of one byte an id with the same
documents under the same numbers, so it is written, checked and searched as any store is.
"""

import re
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tracing.core.errors import StoreMismatch
from tracing.core.nodes.node_store import Reader, place_of
from tracing.core.stores.layout import TOKEN_TYPES
from tracing.core.stores.manifest import Manifest

TOKENIZED_BYTES_MAX: Final = 64 << 20
"""Larger stores get no twin. Of tokenized.N in all shards: 32 million tokens of two bytes are some
130 MB of text, and a twin takes five times that on disk and six times that in memory while it is sorted."""

FOLDER: Final = "byte-indexes"
"""Where they lie in a data directory, each under its `twin_name`."""

BYTE: Final = TOKEN_TYPES["u8"]
NO_TEXT: Final = 0xFE
"""Stands for a byte that is no UTF-8 (a token may be a part of a character). Neither it nor the
separator, 0xFF, occurs in UTF-8."""


@dataclass(frozen=True)
class ByteTwin:
    """A store and its open twin; StoreMismatch if they do not belong together."""

    store: Reader
    twin: Reader

    def __post_init__(self) -> None:
        own, manifest = self.twin.manifest, self.store.manifest
        right = own.generator.get("bytes_of") == manifest.digest and own.token_type == BYTE
        if not right or own.documents != manifest.documents or own.tokenizer != manifest.tokenizer:
            raise StoreMismatch(
                f"{place_of(self.twin)} is not the byte index of {place_of(self.store)}: remove it."
            )


def should_have_twin(manifest: Manifest) -> bool:
    """Whether the store is small enough for a twin."""
    entries = manifest.tokens + manifest.documents
    return entries * manifest.token_type.width_bytes <= TOKENIZED_BYTES_MAX


def twin_name(manifest: Manifest) -> str:
    """The directory name of the twin: another one for every content of the store."""
    return re.sub(r"[^\w.-]", "_", manifest.name)[:100].lstrip(".") + name_end(manifest.digest)


def name_end(digest: str) -> str:
    """How the name of the twin of the store with this digest ends."""
    return f"-{digest.removeprefix('sha256:')[:12]}"


def as_bytes(pieces: list[bytes]) -> NDArray[np.uint8]:
    """The bytes of a text's tokens, as many as there are, each of those that are no UTF-8 replaced."""
    data = bytearray(b"".join(pieces))
    position = 0
    while position < len(data):
        try:
            str(memoryview(data)[position:], "utf-8")
            break
        except UnicodeDecodeError as error:
            start, position = position + error.start, position + error.end
            data[start:position] = bytes([NO_TEXT]) * (position - start)
    return np.frombuffer(bytes(data), dtype=np.uint8)


def twin_description(manifest: Manifest) -> dict[str, Any]:
    """What the twin of this store says of itself."""
    fields = {name: getattr(manifest, name) for name in ("tokenizer", "stage", "source", "licence")}
    return {**fields, "dtype": BYTE.name, "generator": {"bytes_of": manifest.digest}}
