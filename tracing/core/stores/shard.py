"""One shard of an open token store: its mapped files, and its documents by number."""

import json
import math
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from struct import Struct
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tracing.core.arrays import Bytes, Longs, Words
from tracing.core.errors import StoreDamaged
from tracing.core.stores.blocks import split_checksums
from tracing.core.stores.foreign_metadata import plain_metadata
from tracing.core.stores.heads import STEM as HEADS
from tracing.core.stores.heads import Heads, Tree, kept_heads, open_heads, tree_of
from tracing.core.stores.layout import BLOCKS, DATA_FILES, OFFSET_BYTES, block_count, pointer_bytes
from tracing.core.stores.lcp import UNKNOWN_LCP, fill_lcps
from tracing.core.stores.manifest import Manifest, sha256
from tracing.core.stores.mapped_file import MappedFile, changed_meanwhile, read_small_file
from tracing.core.stores.unigrams import Unigrams
from tracing.core.stores.words import pointers_of

METADATA: Final = json.JSONDecoder(
    parse_constant=lambda _: None,
    parse_float=lambda text: number if math.isfinite(number := float(text)) else None,
)
"""How metadata are read: NaN and infinities, which JSON for programs cannot hold, become null."""

BOUNDS: Final = Struct("<QQ")  # a document's offset and the next one's
LAST: Final = Struct("<Q")


class Shard:
    """The files of shard `number`; documents are numbered from 0 within it.

    Files up to `check_at_open_bytes` are checked whole when opened, larger ones block by block as they
    are read.
    """

    def __init__(self, directory: Path, manifest: Manifest, number: int, check_at_open_bytes: int) -> None:
        self.kind = manifest.token_type
        self.files: dict[str, MappedFile] = {}
        sizes = {stem: manifest.files[f"{stem}.{number}"].size_bytes for stem in DATA_FILES}
        checksums = _read_checksums(directory, manifest, number)
        try:
            for stem, size_bytes in sizes.items():
                file = MappedFile(directory / f"{stem}.{number}", size_bytes, checksums[stem])
                self.files[stem] = file
            entries = sizes["tokenized"] // self.kind.width_bytes
            if heads := open_heads(directory, manifest, number, entries):
                self._tree, self.files[HEADS] = heads
            for file in self.files.values():
                if file.size_bytes <= check_at_open_bytes:
                    file.check_all()
        except BaseException:
            self.close()
            raise
        self.tokenized, self.table, self.offset = (self.files[s] for s in ("tokenized", "table", "offset"))
        self.documents = sizes["offset"] // OFFSET_BYTES
        self.entries = entries
        self.pointer_bytes = pointer_bytes(sizes["tokenized"])

    def check_unchanged(self) -> int:
        """StoreDamaged if a file that searches read was cut since it was opened.

        Returns how often these were written since then, for `check_touched`.
        """
        changes = 0
        for file in self._searched:
            file.check_unchanged()
            changes += file.changes
        return changes

    def check_touched(self, changes: int) -> None:
        """StoreDamaged unless all that searches read so far is as it was written, and was all along since
        `check_unchanged` returned `changes`."""
        now = 0
        for file in self._searched:
            file.check_touched()
            now += file.changes
        if now != changes:
            raise changed_meanwhile(self.tokenized.path.parent)

    @cached_property
    def heads(self) -> Heads:
        """Where searches begin: those of the file, or else taken now. What was found sound never changes, so
        they are kept whatever happens to the files."""
        if file := self.files.get(HEADS):
            return Heads(self._tree, file.data, file.state)
        tree = tree_of(self.entries)
        return kept_heads(tree, self.take_heads(tree), self.take_lcps() if tree.has_lcps else None)

    def take_heads(self, tree: Tree) -> Words:
        """The heads of this shape in the order of the table, from checked blocks."""
        ranks = np.arange(0, self.entries, 1 << tree.shift)
        pointers = pointers_of(self.table.words(ranks * self.pointer_bytes), self.pointer_bytes)
        if pointers.size and pointers.max() >= self.tokenized.size_bytes:
            raise self.pointer_outside()
        return self.tokenized.words(pointers)

    def take_lcps(self) -> Bytes:
        """What each suffix shares with the one before it, from checked bytes, shape [entries].

        Nothing is known where the table points outside: a search that meets such a pointer says so.
        """
        lcps = np.empty(self.entries, dtype=np.uint8)
        data, table = (file.read(0, file.size_bytes) for file in (self.tokenized, self.table))
        changes = self.check_unchanged()
        if not fill_lcps(data, table, self.pointer_bytes, 0, lcps):
            lcps[:] = UNKNOWN_LCP
        self.check_touched(changes)
        return lcps

    def pointer_outside(self) -> StoreDamaged:
        return StoreDamaged(f"{self.table.path} points outside the tokens: restore or rebuild the store.")

    @cached_property
    def _searched(self) -> tuple[MappedFile, ...]:
        heads = self.files.get(HEADS)
        return self.tokenized, self.table, self.offset, *([heads] if heads else [])

    def token_ids(self, document: int) -> NDArray[Any]:
        """Ids of a document, no copy, shape [tokens]."""
        start, stop = self._extent("offset", "tokenized", document)
        if start % self.kind.width_bytes or stop - start < self.kind.width_bytes:
            raise StoreDamaged(f"{self.offset.path} is damaged at document {document}: rebuild the store.")
        return self.tokenized.read(start, stop).view(self.kind.numpy)[1:]

    def lengths(self, first: int, stop: int) -> Longs:
        """Tokens of the documents first..stop, shape [stop - first], from their offsets alone."""
        end = min(stop + 1, self.documents)
        starts = self.offset.read(first * OFFSET_BYTES, end * OFFSET_BYTES).view("<u8").astype(np.int64)
        bounds = np.append(starts, self.tokenized.size_bytes) if end == stop else starts
        lengths: Longs = np.diff(bounds) // self.kind.width_bytes - 1
        return lengths

    def extent(self, document: int) -> tuple[int, int]:
        """Bytes (start, stop) of a document's tokens, without its separator."""
        start, stop = self._extent("offset", "tokenized", document)
        return start + self.kind.width_bytes, stop

    def metadata(self, document: int) -> dict[str, Any]:
        """The metadata object of a document."""
        return self.metadata_of([document])[0]

    def metadata_of(self, documents: Sequence[int]) -> list[dict[str, Any]]:
        """The metadata objects of some documents."""
        lines = self.files["metadata"].copies(self._extents("metaoff", "metadata", documents))
        return [self._parsed(*pair) for pair in zip(documents, lines, strict=True)]

    def _parsed(self, document: int, line: bytes) -> dict[str, Any]:
        path = self.files["metadata"].path
        try:
            found = METADATA.decode(line.decode())
        except (ValueError, RecursionError) as error:
            raise StoreDamaged(f"{path} has no JSON object for document {document}: rebuild it.") from error
        if not isinstance(found, dict):
            raise StoreDamaged(f"{path} has no JSON object for document {document}: rebuild it.")
        return plain_metadata(found)

    def unigrams(self) -> Unigrams:
        """How often each id occurs in the shard."""
        file = self.files["unigram"]
        try:
            pairs = np.array(file.copy(0, file.size_bytes).split(), dtype=np.int64).reshape(-1, 2)
        except (ValueError, OverflowError) as error:
            raise StoreDamaged(f"{file.path} is no list of counts: rebuild the store.") from error
        ids, counts = pairs.T
        sound = ids.size and ids[0] >= 0 and ids[-1] == self.kind.separator and (np.diff(ids) > 0).all()
        if not sound or not ((counts > 0) & (counts <= self.entries)).all() or counts.sum() != self.entries:
            raise StoreDamaged(f"{file.path} does not count this store's tokens: rebuild the store.")
        return pairs

    def document_at(self, byte_pointer: int) -> int:
        """Number of the document that holds the byte at `byte_pointer` of tokenized.N."""
        low, high = 0, self.documents
        while high - low > 1:
            middle = (low + high) // 2
            if self._extent("offset", "tokenized", middle)[0] <= byte_pointer:
                low = middle
            else:
                high = middle
        return low

    def close(self) -> None:
        for file in self.files.values():
            file.close()

    def _extent(self, offsets: str, data: str, document: int) -> tuple[int, int]:
        """Start and stop of a document in the file `data`, bounds checked by whoever reads it."""
        return self._extents(offsets, data, [document])[0]

    def _extents(self, offsets: str, data: str, documents: Sequence[int]) -> list[tuple[int, int]]:
        file, end = self.files[offsets], self.files[data].size_bytes
        starts = [document * OFFSET_BYTES for document in documents]
        found = file.copies([(start, min(start + 2 * OFFSET_BYTES, file.size_bytes)) for start in starts])
        return [BOUNDS.unpack(one) if len(one) == BOUNDS.size else (*LAST.unpack(one), end) for one in found]


def _read_checksums(directory: Path, manifest: Manifest, number: int) -> dict[str, NDArray[np.uint64]]:
    """The checksums of each file's blocks, themselves checked by the manifest's digest."""
    path = directory / f"{BLOCKS}.{number}"
    entry = manifest.files[path.name]
    content = read_small_file(path, entry.size_bytes)
    if len(content) != entry.size_bytes or sha256(content) != entry.digest:
        raise StoreDamaged(f"{path} is not the file of this store: restore or rebuild the store.")
    sizes = {stem: manifest.files[f"{stem}.{number}"].size_bytes for stem in DATA_FILES}
    return split_checksums(content, {stem: block_count(size) for stem, size in sizes.items()})
