"""The heads of a shard: the first words of every sixteenth suffix, so that a search begins near its end.

A head is the first eight bytes of a suffix as one big-endian number, zeros for those after the data's end.
Heads lie in the levels of a search tree: the lowest level holds them all in the order of the table, each
other one every sixteenth of the level below; the highest fits in one node of sixteen words. Every level is
filled up with all-ones to whole nodes.

With them goes what each suffix shares with the one before it (`lcp`): of sixteen suffixes it tells the one
that a search has to look at. Above these bytes lie levels too: what each sixteenth suffix shares with the
sixteenth before it, and so on.

Those of a large shard lie in `heads.N`, beside the store's own files: infini-gram knows no such file, the
manifest does not list it, and without it a search takes longer and finds the same. The levels, highest first,
are followed by zeros to a whole block, the levels of LCPs, lowest first, zeros to a whole block, then a
checksum for each block, then a digest of these checksums and of the files that all this was taken from. The
first format had no LCPs.
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

from tracing.core.arrays import Bytes, Longs, Words
from tracing.core.errors import StoreDamaged
from tracing.core.stores.blocks import checksum
from tracing.core.stores.layout import BLOCK_BYTES, block_count
from tracing.core.stores.lcp import LCP_LEVELS_MAX, lcp_levels, level_sizes
from tracing.core.stores.manifest import Manifest
from tracing.core.stores.mapped_file import SOUND, MappedFile, read_tail
from tracing.core.stores.words import WORD_BYTES

STEM: Final = "heads"
FORMAT: Final = {False: b"headwater-heads/1", True: b"headwater-heads/2"}  # by whether it has LCPs
NODE_WORDS: Final = 16
DEPTH, SHIFT, HEADS, LCP_LEVELS, LCPS = range(5)  # numbers of `Tree.layout`; of LCPs one for each level,
FIRST_LEVEL: Final = LCPS + LCP_LEVELS_MAX  # then of heads
LEVEL_NUMBERS: Final = 2  # each
STRIDE_SHIFT: Final = 4  # suffixes from one head to the next, as a power of two
KEPT_ENTRIES_MAX: Final = 1 << 22
"""Of a shard whose heads are taken when it is first searched, some 10 ms; larger ones have a file."""
FEW_HEADS: Final = 1 << 10  # of a larger shard without a file: each costs two reads at random places


@dataclass(frozen=True)
class Tree:
    """The shape of the heads of `entries` suffixes, 2**shift from one to the next, and of their LCPs."""

    entries: int
    shift: int = STRIDE_SHIFT
    has_lcps: bool = True

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
    def lcp_starts(self) -> list[int]:
        """Where the levels of LCPs begin, the lowest first, and where the last one ends."""
        levels = level_sizes(self.entries) if self.has_lcps else []
        heads = block_count(self.words * WORD_BYTES) * BLOCK_BYTES
        return list(itertools.accumulate(levels, initial=heads))

    @property
    def size_bytes(self) -> int:
        """Of the levels of heads and LCPs, in whole blocks."""
        return block_count(self.lcp_starts[-1]) * BLOCK_BYTES

    @cached_property
    def layout(self) -> Longs:
        """As kernels read it: DEPTH levels of heads, SHIFT, HEADS, LCP_LEVELS, then from LCPS on the first
        byte of each level of LCPs, from FIRST_LEVEL on first byte and nodes of each level of heads.
        """
        firsts = itertools.accumulate(self.nodes[:-1], initial=0)
        size = NODE_WORDS * WORD_BYTES
        levels: list[int] = [
            value for first, nodes in zip(firsts, self.nodes, strict=True) for value in (first * size, nodes)
        ]
        lcps = self.lcp_starts[:-1] + [0] * (LCP_LEVELS_MAX - len(self.lcp_starts) + 1)
        numbers = [len(self.nodes), self.shift, self.heads, len(self.lcp_starts) - 1, *lcps, *levels]
        return np.array(numbers, dtype=np.int64)

    def laid_out(self, heads: Words, lcps: Bytes | None) -> Bytes:
        """The bytes of heads and LCPs, both in the order of the table; shape [size_bytes]."""
        data = np.zeros(self.size_bytes, dtype=np.uint8)
        levels = self.fill(heads).astype("<u8", copy=False).view(np.uint8)
        data[: levels.size] = levels
        for start, level in zip(self.lcp_starts, lcp_levels(lcps) if lcps is not None else (), strict=False):
            data[start : start + level.size] = level
        return data

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
    state: Bytes


def kept_heads(tree: Tree, heads: Words, lcps: Bytes | None) -> Heads:
    """Heads in memory, taken from what was found sound."""
    data = tree.laid_out(heads, lcps)
    return Heads(tree, data, np.full(block_count(data.nbytes), SOUND, dtype=np.uint8))


def tree_of(entries: int) -> Tree:
    """The shape of heads that are taken when a shard without a file is searched."""
    if entries <= KEPT_ENTRIES_MAX:
        return Tree(entries)
    return Tree(entries, (entries // FEW_HEADS).bit_length(), has_lcps=False)


def tree_in(path: Path, entries: int) -> Tree:
    """The shape of the heads in this file, by its size: of the first format, or of this one."""
    first = Tree(entries, has_lcps=False)
    try:
        return first if path.stat().st_size == _file_bytes(first) else Tree(entries)
    except OSError:
        return Tree(entries)


def open_heads(
    directory: Path, manifest: Manifest, number: int, entries: int
) -> tuple[Tree, MappedFile] | None:
    """The shape of a shard's heads and their file, None where there is none; StoreDamaged if it is
    another's."""
    path = directory / f"{STEM}.{number}"
    if not os.path.lexists(path):
        return None
    tree = tree_in(path, entries)
    blocks = block_count(tree.size_bytes)
    tail = read_tail(path, _file_bytes(tree), 8 * blocks + 32)
    checksums = tail[:-32]
    if tail[-32:] != _seal(manifest, number, tree, checksums):
        raise StoreDamaged(
            f"{path} does not belong to table.{number}, or is damaged: remove it, then have manage.py "
            "build_index make it anew."
        )
    return tree, MappedFile(path, _file_bytes(tree), np.frombuffer(checksums, dtype="<u8"))


def heads_content(
    manifest: Manifest, number: int, tree: Tree, heads: Words, lcps: Bytes | None
) -> list[memoryview]:
    """What `heads.N` of a shard holds, in parts."""
    data = tree.laid_out(heads, lcps).data
    blocks = [data[start : start + BLOCK_BYTES] for start in range(0, len(data), BLOCK_BYTES)]
    checksums = np.array([checksum(block) for block in blocks], dtype="<u8").tobytes()
    return [*blocks, memoryview(checksums), memoryview(_seal(manifest, number, tree, checksums))]


def _file_bytes(tree: Tree) -> int:
    return tree.size_bytes + 8 * block_count(tree.size_bytes) + 32


def _seal(manifest: Manifest, number: int, tree: Tree, checksums: bytes) -> bytes:
    digests = [manifest.files[f"{stem}.{number}"].digest.encode() for stem in ("tokenized", "table")]
    return hashlib.sha256(b"\n".join([FORMAT[tree.has_lcps], *digests, checksums])).digest()
