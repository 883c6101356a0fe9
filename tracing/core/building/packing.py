"""Writing a pack: the documents of several small stores as one store."""

from collections.abc import Sequence
from pathlib import Path

from tracing.core.building.indexing import Progress
from tracing.core.building.writer import StoreWriter
from tracing.core.stores.manifest import Manifest
from tracing.core.stores.store import TokenStore


def write_pack(path: Path, parts: Sequence[TokenStore], progress: Progress | None = None) -> Manifest:
    """Publish the pack of these stores at `path`. Raises StoreExists, StoreDamaged, or StoreError."""
    first = parts[0].manifest
    with StoreWriter(
        path,
        name=path.name,
        tokenizer=first.tokenizer,
        dtype=first.dtype,
        stage=first.stage,
        source=f"{len(parts)} stores of {first.stage}",
        licence="each document's own",
        generator={"packed": [part.manifest.digest for part in parts]},
    ) as writer:
        for part in parts:
            for document in range(part.documents):
                writer.add(part.token_ids(document), part.metadata(document))
        return writer.publish(progress)
