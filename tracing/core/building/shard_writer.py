"""The data files of one shard, as documents are appended to them."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Final

import numpy as np
from numpy.typing import NDArray

from tracing.core.errors import InputError
from tracing.core.stores.layout import TokenType
from tracing.core.text.token_ids import as_token_ids

STEMS: Final = ("tokenized", "offset", "metadata", "metaoff")


class ShardWriter:
    """Appends documents to tokenized.N, offset.N, metadata.N and metaoff.N in `directory`.

    `kept` are the sizes, in the order of STEMS, that the files had at an earlier time: whatever was
    written to them since is cut off, and writing goes on from there.
    """

    def __init__(self, directory: Path, shard: int, kept: Sequence[int] = (0, 0, 0, 0)) -> None:
        self._files = [
            _open_at(directory / f"{stem}.{shard}", size) for stem, size in zip(STEMS, kept, strict=True)
        ]
        self.size_bytes, _, self._metadata_bytes, _ = kept

    def add(self, data: bytes, line: bytes) -> None:
        """Append one document, separator included, and its metadata line."""
        tokens, offsets, metadata, metadata_offsets = self._files
        offsets.write(self.size_bytes.to_bytes(8, "little"))
        metadata_offsets.write(self._metadata_bytes.to_bytes(8, "little"))
        self.size_bytes += tokens.write(data)
        self._metadata_bytes += metadata.write(line)

    def add_all(
        self,
        data: bytes | memoryview,
        sizes: NDArray[np.int64],
        lines: bytes | memoryview,
        line_sizes: NDArray[np.int64],
    ) -> None:
        """Append documents that lie one after the other in `data`, and their lines in `lines`."""
        tokens, offsets, metadata, metadata_offsets = self._files
        offsets.write(_starts(sizes, self.size_bytes))
        metadata_offsets.write(_starts(line_sizes, self._metadata_bytes))
        self.size_bytes += tokens.write(data)
        self._metadata_bytes += metadata.write(lines)

    def sync(self) -> list[int]:
        """Bring everything to the disk; the sizes of the files now, in the order of STEMS."""
        for file in self._files:
            file.flush()
            os.fdatasync(file.fileno())
        return [file.tell() for file in self._files]

    def close(self) -> None:
        for file in self._files:
            file.close()


def _open_at(path: Path, size_bytes: int) -> IO[bytes]:
    """The file, cut to `size_bytes` and open at its end."""
    if not size_bytes:
        return path.open("wb")
    file = path.open("r+b")
    file.truncate(size_bytes)
    file.seek(size_bytes)
    return file


def _starts(sizes: NDArray[np.int64], first: int) -> bytes:
    """Where each of the parts of these sizes starts, if the first one starts at `first`."""
    return (first + np.cumsum(sizes) - sizes).astype("<u8").tobytes()


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
