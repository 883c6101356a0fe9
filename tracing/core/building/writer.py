"""Writing a token store: documents in, one directory published whole or not at all."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from numpy.typing import NDArray

from tracing.core.building.description import Description
from tracing.core.building.indexing import Progress, index_directory
from tracing.core.building.partial import PartialDirectory
from tracing.core.building.shard_writer import document_bytes, metadata_line
from tracing.core.building.token_files import TokenFiles
from tracing.core.errors import InputError, StoreExists
from tracing.core.stores.layout import token_type
from tracing.core.stores.manifest import Manifest

SHARD_BYTES_MAX = 2**31 - 1


class StoreWriter:
    """Writes documents to a partial directory beside `path`; `publish` sorts, syncs and renames it.

    Use as a context manager: left without `publish`, or by an error, nothing remains and `path` is as
    it was. `tokenizer` is the tokenizer's digest. A document never spans two shards of `shard_bytes`.
    Raises StoreExists if `path` is taken, StoreError when the disk refuses (full, read-only).
    """

    def __init__(
        self,
        path: Path,
        *,
        name: str,
        tokenizer: str,
        dtype: str,
        stage: str,
        source: str,
        licence: str,
        generator: Mapping[str, Any] | None = None,
        shard_bytes: int = SHARD_BYTES_MAX,
    ) -> None:
        self._kind = token_type(dtype)
        if not 2 * self._kind.width_bytes <= shard_bytes <= SHARD_BYTES_MAX:
            raise InputError(f"shard_bytes is {shard_bytes}: give at most {SHARD_BYTES_MAX}.")
        self._path, self._shard_bytes = path, shard_bytes
        self._described = Description(
            name=name,
            dtype=dtype,
            tokenizer=tokenizer,
            stage=stage,
            source=source,
            licence=licence,
            generator=dict(generator or {}),
        )
        self._documents = 0
        if path.exists():
            raise StoreExists(f"{path} exists: stores are never rewritten, choose another name.")
        self._partial = PartialDirectory(path)
        with self._partial.guard("starting"):
            self._files = TokenFiles(self._partial.path, shard_bytes)

    def add(self, token_ids: Sequence[int] | NDArray[Any], metadata: Mapping[str, Any]) -> int:
        """Append a document and return its number; an empty one is allowed.

        InputError for ids outside 0..separator-1, metadata that is no JSON object, or a document
        larger than a shard: the writer is unchanged and goes on.
        """
        data, line = document_bytes(token_ids, self._kind), metadata_line(metadata)
        if len(data) > self._shard_bytes:
            raise InputError(f"A document of {len(data)} bytes does not fit a shard of {self._shard_bytes}.")
        with self._partial.guard("writing documents"):
            self._files.add(data, line)
        self._documents += 1
        return self._documents - 1

    def publish(self, progress: Progress | None = None) -> Manifest:
        """Sort, checksum, sync and rename into place; returns the manifest of the published store.

        `progress` is called with the phase ("suffix array", "checksums", "publish") and its done share.
        """
        if not self._documents:
            raise InputError(f"{self._path.name} has no documents: add at least one before publishing.")
        report = progress or (lambda phase, share: None)
        with self._partial.guard("publishing"):
            self._files.finish()
            manifest = index_directory(self._partial.path, self._described, report)
            self._partial.publish()
        report("publish", 1.0)
        return manifest

    def abort(self) -> None:
        """Remove everything written so far; harmless after `publish`."""
        self._files.close()
        self._partial.remove()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.abort()
