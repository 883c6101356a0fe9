"""Checking every byte of a store, as `manage.py verify_index` does."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from tracing.core.blocks import digest_file
from tracing.core.errors import StoreDamaged
from tracing.core.manifest import Manifest
from tracing.core.shard import Shard
from tracing.core.store import TokenStore

Report = Callable[[str], None]


def verify_store(path: Path, report: Report = lambda line: None) -> Manifest:
    """Reads the whole store at `path` and returns its manifest if all of it is sound.

    `report` is told each file that was found sound. Raises StoreMissing or StoreDamaged with the first fault.
    Takes a byte of memory for each token of the largest shard.
    """
    with TokenStore.open(path) as store:
        for name, entry in store.manifest.files.items():
            digest, _ = digest_file(path / name)
            if digest != entry.digest:
                raise StoreDamaged(
                    f"{path / name} is not what the manifest says: restore or rebuild the store."
                )
            report(f"{name}: {entry.size_bytes:,} bytes, digest right")
        for number, shard in enumerate(store.shards):
            check_documents(shard)
            check_table(shard)
            report(f"shard {number}: {shard.documents:,} documents, each suffix in the table once")
        for document in range(store.documents):
            store.metadata(document)
        report(f"{store.documents:,} lines of metadata can be read")
        return store.manifest


def check_documents(shard: Shard) -> None:
    """StoreDamaged unless the offsets are exactly where the separators stand."""
    separators = np.flatnonzero(shard.tokenized.data.view(shard.kind.numpy) == shard.kind.separator)
    offsets = shard.offset.data.view("<u8")
    if not np.array_equal(separators.astype(np.uint64) * np.uint64(shard.kind.width_bytes), offsets):
        raise StoreDamaged(f"{shard.offset.path} does not fit the separators of the text: rebuild the store.")


def check_table(shard: Shard) -> None:
    """StoreDamaged unless every token's position stands in the suffix array exactly once."""
    seen = np.zeros(shard.entries, dtype=np.bool_)
    for rows in np.array_split(
        shard.table.data.reshape(-1, shard.pointer_bytes), max(1, shard.entries >> 20)
    ):
        wide = np.zeros((len(rows), 8), dtype=np.uint8)
        wide[:, : shard.pointer_bytes] = rows
        positions, rest = np.divmod(wide.view("<u8").ravel(), np.uint64(shard.kind.width_bytes))
        if rest.any() or (positions >= shard.entries).any():
            raise StoreDamaged(
                f"{shard.table.path} points between tokens or beyond the text: rebuild the store."
            )
        seen[positions] = True
    if not seen.all():
        raise StoreDamaged(f"{shard.table.path} leaves out {(~seen).sum():,} suffixes: rebuild the store.")
