"""Writing the heads of large shards beside a store's files."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np

from tracing.core.arrays import Bytes, Words
from tracing.core.building.partial import sync_directory, write_whole
from tracing.core.errors import StoreDamaged, StoreError, StoreExists
from tracing.core.stores.heads import KEPT_ENTRIES_MAX, STEM, Tree, heads_content, tree_in
from tracing.core.stores.layout import pointer_bytes
from tracing.core.stores.lcp import fill_lcps
from tracing.core.stores.manifest import Manifest, read_manifest
from tracing.core.stores.store import TokenStore
from tracing.core.stores.words import pointers_of, words_at

CHUNK_SUFFIXES: Final = 1 << 22  # at a time, so that a stop from the keyboard is heard
EVERY_FILE: Final = 1 << 62  # bytes


def add_heads(directory: Path, entries_max: int = KEPT_ENTRIES_MAX) -> Manifest:
    """`write_heads` for a store that was published without, once all of its files are found sound.

    Raises StoreExists where nothing is missing, StoreDamaged, StoreMissing, or StoreError from the disk.
    """
    manifest = read_manifest(directory)
    if not _lacking(directory, manifest, entries_max):
        raise StoreExists(f"{directory} has a manifest: it is a store already, and lacks nothing.")
    with TokenStore.open(directory, check_at_open_bytes=EVERY_FILE):
        pass
    try:
        write_heads(directory, manifest, entries_max)
        sync_directory(directory)
    except OSError as error:
        raise StoreError(
            f"Writing to {directory} failed ({error}): make room or correct the permissions."
        ) from error
    return manifest


def write_heads(directory: Path, manifest: Manifest, entries_max: int = KEPT_ENTRIES_MAX) -> list[str]:
    """Write `heads.N` for each shard of more than `entries_max` suffixes that has none, or one of the first
    format; their names."""
    lacking = _lacking(directory, manifest, entries_max)
    for number, tree in lacking.items():
        content = heads_content(manifest, number, tree, *_taken(directory, number, tree))
        write_whole(directory / f"{STEM}.{number}", partial(_write, content))
    return [f"{STEM}.{number}" for number in lacking]


def _write(content: Sequence[memoryview], path: Path) -> None:
    with path.open("wb") as file:
        file.writelines(content)


def _lacking(directory: Path, manifest: Manifest, entries_max: int) -> dict[int, Tree]:
    """The shards without heads that should have some, and the shape of these."""
    width = manifest.token_type.width_bytes
    sizes = [manifest.files[f"tokenized.{number}"].size_bytes for number in range(manifest.shards)]
    return {
        number: Tree(size // width)
        for number, size in enumerate(sizes)
        if size // width > entries_max and not _is_whole(directory / f"{STEM}.{number}", size // width)
    }


def _is_whole(path: Path, entries: int) -> bool:
    """Whether the heads of a shard of so many suffixes are there, and not of the first format."""
    return path.exists() and (not path.is_file() or tree_in(path, entries).has_lcps)


def _taken(directory: Path, number: int, tree: Tree) -> tuple[Words, Bytes]:
    """Heads and LCPs in the order of the table, of files that were just written or checked."""
    data, table = (np.memmap(directory / f"{stem}.{number}", mode="r") for stem in ("tokenized", "table"))
    heads, width = np.empty(tree.heads, dtype=np.uint64), pointer_bytes(data.size)
    lcps = np.empty(tree.entries, dtype=np.uint8)
    for first in range(0, tree.entries, CHUNK_SUFFIXES):
        part = lcps[first : first + CHUNK_SUFFIXES]
        ranks = np.arange(first, first + part.size, 1 << tree.shift)
        pointers = pointers_of(words_at(table, ranks * width), width)
        heads[first >> tree.shift : (first >> tree.shift) + ranks.size] = words_at(data, pointers)
        if not fill_lcps(data, table, width, first, part):
            raise StoreDamaged(f"{directory / f'table.{number}'} points outside the tokens: rebuild it.")
    return heads, lcps
