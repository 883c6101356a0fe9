"""The heads of a shard: the first words of every sixteenth suffix, so that a search begins near its end.

A head is the first eight bytes of a suffix as one big-endian number, zeros for those after the data's end.
Heads lie in the levels of a search tree: the lowest level holds them all in the order of the table, each
other one every sixteenth of the level below; the highest fits in one node of sixteen words. Every level is
filled up with all-ones to whole nodes.

Those of a large shard lie in `heads.N`, beside the store's own files: infini-gram knows no such file, the
manifest does not list it, and without it a search takes longer and finds the same. The levels, highest first,
are followed by zeros to a whole block, then a checksum for each block, then a digest of these checksums and
of the files that the heads were taken from.
"""

import hashlib
import itertools
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tracing.core.errors import StoreDamaged
from tracing.core.stores.blocks import checksum
from tracing.core.stores.layout import BLOCK_BYTES, block_count
from tracing.core.stores.manifest import Manifest
from tracing.core.stores.mapped_file import SOUND, MappedFile, read_tail
from tracing.core.stores.words import WORD_BYTES, Words

STEM: Final = "heads"
FORMAT: Final = b"headwater-heads/1"
NODE_WORDS: Final = 16
STRIDE_SHIFT: Final = 4  # suffixes from one head to the next, as a power of two
KEPT_ENTRIES_MAX: Final = 1 << 22
"""Of a shard whose heads are taken when it is first searched, some 10 ms; larger ones have a file."""
FEW_HEADS: Final = 1 << 10  # of a larger shard without a file: each costs two reads at random places


@dataclass(frozen=True)
class Tree:
    """The shape of the heads of `entries` suffixes, 2**shift from one to the next."""

    entries: int
    shift: int = STRIDE_SHIFT

    @property
    def heads(self) -> int:
        """Number of heads."""
        return -(-self.entries >> self.shift)

    @cached_property
    def nodes(self) -> list[int]:
        """Nodes of each level, the highest level first."""
        counts = [-(-self.heads // NODE_WORDS)]
        while counts[0] > 1:
            counts.insert(0, -(-counts[0] // NODE_WORDS))
        return counts

    @property
    def words(self) -> int:
        """Words of all levels."""
        return NODE_WORDS * sum(self.nodes)

    @cached_property
    def layout(self) -> NDArray[np.int64]:
        """As kernels read it: how many levels, shift, heads, then first byte and nodes of each level."""
        firsts = itertools.accumulate(self.nodes[:-1], initial=0)
        size = NODE_WORDS * WORD_BYTES
        levels: list[int] = [
            value for first, nodes in zip(firsts, self.nodes, strict=True) for value in (first * size, nodes)
        ]
        return np.array([len(self.nodes), self.shift, self.heads, *levels], dtype=np.int64)

    def fill(self, heads: Words) -> Words:
        """All levels, of the heads in the order of the table; shape [words]."""
        words, stop, level = np.full(self.words, ~np.uint64(0)), self.words, heads
        for nodes in reversed(self.nodes):
            start = stop - nodes * NODE_WORDS
            words[start : start + level.size] = level
            stop, level = start, level[::NODE_WORDS]
        return words


@dataclass(frozen=True)
class Heads:
    """Heads to be searched: their shape, where they lie, and the states of their blocks."""

    tree: Tree
    data: NDArray[Any]
    state: NDArray[np.uint8]


def kept_heads(tree: Tree, heads: Words) -> Heads:
    """Heads in memory, taken from what was found sound."""
    data = tree.fill(heads)
    return Heads(tree, data, np.full(block_count(data.nbytes), SOUND, dtype=np.uint8))


def tree_of(entries: int) -> Tree:
    """The shape of heads that are taken when a shard without a file is searched."""
    if entries <= KEPT_ENTRIES_MAX:
        return Tree(entries)
    return Tree(entries, (entries // FEW_HEADS).bit_length())


def open_heads(directory: Path, manifest: Manifest, number: int, entries: int) -> MappedFile | None:
    """The file with the heads of a shard, None where there is none; StoreDamaged if it is another's."""
    path = directory / f"{STEM}.{number}"
    if not os.path.lexists(path):
        return None
    blocks = block_count(Tree(entries).words * WORD_BYTES)
    size_bytes = blocks * (BLOCK_BYTES + 8) + 32
    tail = read_tail(path, size_bytes, 8 * blocks + 32)
    checksums = tail[:-32]
    if tail[-32:] != _seal(manifest, number, checksums):
        raise StoreDamaged(
            f"{path} does not belong to table.{number}, or is damaged: remove it, then have manage.py "
            "build_index make it anew."
        )
    return MappedFile(path, size_bytes, np.frombuffer(checksums, dtype="<u8"))


def heads_content(manifest: Manifest, number: int, tree: Tree, heads: Words) -> list[memoryview]:
    """What `heads.N` of a shard holds, in parts."""
    data = tree.fill(heads).astype("<u8", copy=False).view(np.uint8).data
    whole = len(data) - len(data) % BLOCK_BYTES
    last = bytes(data[whole:]).ljust(BLOCK_BYTES if whole < len(data) else 0, b"\0")
    blocks = [data[start : start + BLOCK_BYTES] for start in range(0, whole, BLOCK_BYTES)]
    blocks += [memoryview(last)] if last else []
    checksums = np.array([checksum(block) for block in blocks], dtype="<u8").tobytes()
    return [*blocks, memoryview(checksums), memoryview(_seal(manifest, number, checksums))]


def _seal(manifest: Manifest, number: int, checksums: bytes) -> bytes:
    digests = [manifest.files[f"{stem}.{number}"].digest.encode() for stem in ("tokenized", "table")]
    return hashlib.sha256(b"\n".join([FORMAT, *digests, checksums])).digest()
