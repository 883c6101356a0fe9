"""Token files become a store: suffix array, counts, checksums and manifest, file by file, resumable."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from tracing.core.building.description import DESCRIPTION, Description, make_manifest
from tracing.core.building.heads_file import write_heads
from tracing.core.building.partial import sync_directory, write_whole
from tracing.core.building.shard_files import check_token_files, checksum_shard, complete_shard, shards_in
from tracing.core.errors import StoreError, StoreExists
from tracing.core.stores.layout import MANIFEST, token_type
from tracing.core.stores.manifest import FileEntry, Manifest, manifest_text

Progress = Callable[[str, float], None]
"""Told a phase, and the share of all the work that is done."""

SORTED: Final = 0.8
"""The share of a shard's work that is sorting; checksums are the rest."""


def build_index(
    directory: Path, described: Description, progress: Progress = lambda phase, share: None
) -> Manifest:
    """`index_directory` of token files that lie where the store shall be.

    Raises StoreExists where it is one already, StoreError where the disk refuses; run again, it goes on.
    """
    if (directory / MANIFEST).exists():
        raise StoreExists(f"{directory} has a manifest: it is a store already.")
    try:
        manifest = index_directory(directory, described, progress)
        (directory / DESCRIPTION).unlink(missing_ok=True)
        sync_directory(directory)
    except OSError as error:
        raise StoreError(
            f"Indexing {directory} failed ({error}). What was done is kept: make room or correct the "
            "permissions, then run the same again."
        ) from error
    return manifest


def index_directory(
    directory: Path, described: Description, progress: Progress = lambda phase, share: None
) -> Manifest:
    """Make whatever the token files in `directory` lack to be a store, manifest.json last.

    Files that are there stay as they are; each new one appears whole or not at all, so a run that was
    killed goes on where it was. Sorting takes some 6 bytes of memory for each byte of the largest
    tokenized.N. Raises StoreDamaged for token files that contradict each other, OSError from the disk.
    """
    shards = shards_in(directory)
    kind, files = token_type(described.dtype), dict[str, FileEntry]()
    for number in range(shards):
        check_token_files(directory, number, kind)
    for number in range(shards):
        progress("suffix array", number / shards)
        complete_shard(directory, number, kind)
        progress("checksums", (number + SORTED) / shards)
        files |= checksum_shard(directory, number)
    progress("publish", 1.0)
    manifest = make_manifest(described, files)
    write_heads(directory, manifest)
    write_whole(directory / MANIFEST, lambda path: path.write_text(manifest_text(manifest)))
    return manifest
