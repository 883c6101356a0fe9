"""Writing a token store: documents in, one directory published whole or not at all."""

import datetime
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from numpy.typing import NDArray

from tracing.core.building.partial import PartialDirectory
from tracing.core.building.shard_writer import ShardWriter, document_bytes, metadata_line, write_unigram
from tracing.core.building.suffix_array import write_table
from tracing.core.errors import InputError, StoreExists
from tracing.core.stores.blocks import digest_file, encode_checksums
from tracing.core.stores.layout import BLOCKS, DATA_FILES, FORMAT, token_type
from tracing.core.stores.manifest import FileEntry, Manifest, sha256, write_manifest

SHARD_BYTES_MAX = 2**31 - 1
Progress = Callable[[str, float], None]


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
        self._described = {"name": name, "dtype": dtype, "tokenizer": tokenizer, "stage": stage}
        self._described |= {"source": source, "licence": licence}
        self._generator = dict(generator or {})
        self._shards: list[ShardWriter] = []
        self._documents = self._tokens = 0
        if path.exists():
            raise StoreExists(f"{path} exists: stores are never rewritten, choose another name.")
        self._partial = PartialDirectory(path)

    def add(self, token_ids: Sequence[int] | NDArray[Any], metadata: Mapping[str, Any]) -> int:
        """Append a document and return its number; an empty one is allowed.

        InputError for ids outside 0..separator-1, metadata that is no JSON object, or a document
        larger than a shard: the writer is unchanged and goes on.
        """
        data, line = document_bytes(token_ids, self._kind), metadata_line(metadata)
        if len(data) > self._shard_bytes:
            raise InputError(f"A document of {len(data)} bytes does not fit a shard of {self._shard_bytes}.")
        with self._partial.guard("writing documents"):
            self._shard_for(len(data)).add(data, line)
        self._documents += 1
        self._tokens += len(data) // self._kind.width_bytes - 1
        return self._documents - 1

    def publish(self, progress: Progress | None = None) -> Manifest:
        """Sort, checksum, sync and rename into place; returns the manifest of the published store.

        `progress` is called with the phase ("suffix array", "checksums", "publish") and its done share.
        """
        if not self._documents:
            raise InputError(f"{self._path.name} has no documents: add at least one before publishing.")
        report = progress or (lambda phase, share: None)
        with self._partial.guard("publishing"):
            files = self._finish_shards(report)
            manifest = self._manifest(files)
            report("publish", 0.0)
            write_manifest(manifest, self._partial.path)
            self._partial.publish()
        report("publish", 1.0)
        return manifest

    def abort(self) -> None:
        """Remove everything written so far; harmless after `publish`."""
        for shard in self._shards:
            with suppress(OSError):  # unwritten bytes of files that are about to be deleted
                shard.close()
        self._partial.remove()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.abort()

    def _shard_for(self, size_bytes: int) -> ShardWriter:
        if not self._shards or self._shards[-1].size_bytes + size_bytes > self._shard_bytes:
            if self._shards:
                self._shards[-1].close()
            self._shards.append(ShardWriter(self._partial.path, len(self._shards)))
        return self._shards[-1]

    def _finish_shards(self, report: Progress) -> dict[str, FileEntry]:
        files: dict[str, FileEntry] = {}
        for number, shard in enumerate(self._shards):
            shard.close()
            report("suffix array", number / len(self._shards))
            write_table(self._file("tokenized", number), self._file("table", number), self._kind)
            write_unigram(self._file("tokenized", number), self._file("unigram", number), self._kind)
            report("checksums", number / len(self._shards))
            files |= self._checksummed(number)
        report("checksums", 1.0)
        return files

    def _checksummed(self, number: int) -> dict[str, FileEntry]:
        """Entries of a shard's files, its blocks.N written on the way."""
        entries, checksums = {}, {}
        for stem in DATA_FILES:
            path = self._file(stem, number)
            digest, checksums[stem] = digest_file(path)
            entries[path.name] = FileEntry(path.stat().st_size, digest)
        content = encode_checksums(checksums)
        blocks = self._file(BLOCKS, number)
        blocks.write_bytes(content)
        return {**entries, blocks.name: FileEntry(len(content), sha256(content))}

    def _manifest(self, files: dict[str, FileEntry]) -> Manifest:
        created = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        return Manifest(
            format=FORMAT,
            documents=self._documents,
            tokens=self._tokens,
            files=files,
            generator=self._generator,
            created=created,
            **self._described,
        )

    def _file(self, stem: str, shard: int) -> Path:
        return self._partial.path / f"{stem}.{shard}"
