"""The data files of one shard, as documents are appended to them."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tracing.core.errors import InputError
from tracing.core.stores.layout import TokenType
from tracing.core.text.token_ids import as_token_ids

UNIGRAM_CHUNK_BYTES = 1 << 24


class ShardWriter:
    """Appends documents to tokenized.N, offset.N, metadata.N and metaoff.N in `directory`."""

    def __init__(self, directory: Path, shard: int) -> None:
        self._tokens = (directory / f"tokenized.{shard}").open("wb")
        self._offsets = (directory / f"offset.{shard}").open("wb")
        self._metadata = (directory / f"metadata.{shard}").open("wb")
        self._metadata_offsets = (directory / f"metaoff.{shard}").open("wb")
        self.size_bytes = self._metadata_bytes = 0

    def add(self, data: bytes, line: bytes) -> None:
        """Append one document, separator included, and its metadata line."""
        self._offsets.write(self.size_bytes.to_bytes(8, "little"))
        self._metadata_offsets.write(self._metadata_bytes.to_bytes(8, "little"))
        self.size_bytes += self._tokens.write(data)
        self._metadata_bytes += self._metadata.write(line)

    def close(self) -> None:
        for file in (self._tokens, self._offsets, self._metadata, self._metadata_offsets):
            file.close()


def document_bytes(token_ids: Sequence[int] | NDArray[Any], kind: TokenType) -> bytes:
    """The separator and the ids as they lie on disk; InputError for ids that `kind` cannot hold."""
    ids = as_token_ids(token_ids)
    if ids.size and (ids.min() < 0 or ids.max() >= kind.separator):
        wrong = ids[(ids < 0) | (ids >= kind.separator)][0]
        raise InputError(f"Token id {wrong} is outside 0..{kind.separator - 1} of a {kind.name} store.")
    return b"\xff" * kind.width_bytes + ids.astype(kind.numpy).tobytes()


def metadata_line(metadata: Mapping[str, Any]) -> bytes:
    """One JSON line, ASCII; InputError where `metadata` is no JSON object."""
    try:
        return json.dumps(dict(metadata), allow_nan=False).encode("ascii") + b"\n"
    except (TypeError, ValueError) as error:
        raise InputError(f"A document's metadata must be a JSON object ({error}).") from error


def write_unigram(tokenized: Path, unigram: Path, kind: TokenType) -> None:
    """Write how often each id occurs, "id count" a line by rising id, the separator among them."""
    counts: dict[int, int] = {}
    with tokenized.open("rb") as file:
        while data := file.read(UNIGRAM_CHUNK_BYTES):
            ids, found = np.unique(np.frombuffer(data, dtype=kind.numpy), return_counts=True)
            for token, count in zip(ids.tolist(), found.tolist(), strict=True):
                counts[token] = counts.get(token, 0) + count
    unigram.write_text("".join(f"{token} {counts[token]}\n" for token in sorted(counts)))
