"""Reading a published token store: checked when opened, checked again wherever a query touches it."""

import bisect
import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from tracing.core.errors import InputError, StoreMismatch
from tracing.core.stores.manifest import Manifest, read_manifest
from tracing.core.stores.shard import Shard
from tracing.core.stores.unigrams import Unigrams, add_unigrams

CHECK_AT_OPEN_BYTES = 32 << 20  # about 5 ms a file when cached


class TokenStore:
    """A token store on disk, memory-mapped and read-only; threads may share one object.

    Documents are numbered from 0 through all shards in the order they were added.
    """

    def __init__(self, path: Path, manifest: Manifest, shards: list[Shard]) -> None:
        self.path, self.manifest, self.shards = path, manifest, shards
        self._first = list(itertools.accumulate((s.documents for s in shards), initial=0))

    @classmethod
    def open(
        cls, path: Path, *, tokenizer: str | None = None, check_at_open_bytes: int = CHECK_AT_OPEN_BYTES
    ) -> Self:
        """Open the store in directory `path`, for the tokenizer with this digest if one is given.

        Files up to `check_at_open_bytes` are read and checked now, the blocks of larger ones when a
        query first touches them. Raises StoreMissing, StoreDamaged, or StoreMismatch for another tokenizer.
        """
        manifest = read_manifest(path)
        if tokenizer is not None and manifest.tokenizer != tokenizer:
            raise StoreMismatch(
                f"{path} was written with tokenizer {manifest.tokenizer}, not with {tokenizer}: "
                "use the model's own tokenizer, or build the store with this one."
            )
        shards: list[Shard] = []
        try:
            for number in range(manifest.shards):
                shards.append(Shard(path, manifest, number, check_at_open_bytes))
        except BaseException:
            for shard in shards:
                shard.close()
            raise
        return cls(path, manifest, shards)

    @property
    def documents(self) -> int:
        """Number of documents."""
        return self.manifest.documents

    @property
    def tokens(self) -> int:
        """Number of tokens, separators left out."""
        return self.manifest.tokens

    def token_ids(self, document: int) -> NDArray[Any]:
        """Ids of a document, shape [tokens], u8, u16 or u32: a read-only view of the file, no copy.

        Use it within `reading` where the file may be cut or written by someone else meanwhile.
        """
        shard, local = self._locate(document)
        return shard.token_ids(local)

    def metadata(self, document: int) -> dict[str, Any]:
        """The metadata object that a document was added with."""
        return self.metadata_of([document])[0]

    def metadata_of(self, documents: Sequence[int]) -> list[dict[str, Any]]:
        """The metadata objects of some documents, in the order asked for."""
        places: dict[int, list[int]] = {}
        for number, document in enumerate(documents):
            places.setdefault(self._shard_of(document), []).append(number)
        found: list[dict[str, Any]] = [{}] * len(documents)
        for shard, numbers in places.items():
            first = self._first[shard]
            metadata = self.shards[shard].metadata_of([documents[n] - first for n in numbers])
            for number, own in zip(numbers, metadata, strict=True):
                found[number] = own
        return found

    def document_lengths(self, first: int = 0, stop: int | None = None) -> NDArray[np.int64]:
        """Tokens of the documents first..stop, or of all, without their separators; shape [documents].

        Raises InputError unless 0 <= first <= stop <= documents.
        """
        last = self.documents if stop is None else stop
        if not 0 <= first <= last <= self.documents:
            raise InputError(f"{self.path} has {self.documents} documents, not those from {first} to {last}.")
        found = [
            shard.lengths(max(first - begin, 0), min(last - begin, shard.documents))
            for shard, begin in zip(self.shards, self._first, strict=False)
            if first < begin + shard.documents and begin < last
        ]
        return np.concatenate([np.zeros(0, dtype=np.int64), *found])

    def document_at(self, shard: int, byte_pointer: int) -> int:
        """Number of the document that holds the byte at `byte_pointer` of the shard's tokenized file."""
        if not 0 <= shard < len(self.shards):
            raise InputError(f"{self.path} has {len(self.shards)} shards, no shard {shard}.")
        if not 0 <= byte_pointer < self.shards[shard].tokenized.size_bytes:
            raise InputError(f"Shard {shard} of {self.path} has no byte {byte_pointer}.")
        return self.first_document(shard) + self.shards[shard].document_at(byte_pointer)

    def extent(self, document: int) -> tuple[int, int, int]:
        """(shard, start, stop): where a document's tokens lie, in bytes of the shard's tokenized file."""
        shard, local = self._locate(document)
        return (self.shards.index(shard), *shard.extent(local))

    def first_document(self, shard: int) -> int:
        """Number of the first document in a shard."""
        return self._first[shard]

    @cached_property
    def unigrams(self) -> Unigrams:
        """How often each id occurs in the store."""
        return add_unigrams(shard.unigrams() for shard in self.shards)

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Around every use of arrays from `token_ids`: StoreDamaged if a file was cut or written to."""
        changes = [shard.check_unchanged() for shard in self.shards]
        try:
            yield
        finally:
            for shard, before in zip(self.shards, changes, strict=True):
                shard.check_touched(before)

    def is_usable(self) -> bool:
        """Whether all files could be read, and were as written, since they were opened. A store that failed
        is to be opened anew once it is restored."""
        return not any(file.has_failed for shard in self.shards for file in shard.files.values())

    def close(self) -> None:
        """Close the files. Arrays handed out stay readable; every other use raises StoreError."""
        for shard in self.shards:
            shard.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _locate(self, document: int) -> tuple[Shard, int]:
        number = self._shard_of(document)
        return self.shards[number], document - self._first[number]

    def _shard_of(self, document: int) -> int:
        if not 0 <= document < self.documents:
            raise InputError(f"{self.path} has {self.documents} documents, no document {document}.")
        return bisect.bisect_right(self._first, document) - 1
