"""Writing the byte twin of a store."""

from pathlib import Path

from tracing.core.building.indexing import Progress
from tracing.core.building.writer import StoreWriter
from tracing.core.bytes.twin import as_bytes, twin_description
from tracing.core.errors import StoreMismatch
from tracing.core.stores.manifest import Manifest
from tracing.core.stores.store import TokenStore
from tracing.core.text.tokenizer import TextTokenizer


def write_byte_twin(
    path: Path, store: TokenStore, tokenizer: TextTokenizer, progress: Progress | None = None
) -> Manifest:
    """Publish the twin of `store` at `path`.

    Raises StoreExists, StoreDamaged, StoreError, or StoreMismatch for another tokenizer than the store's.
    """
    if tokenizer.digest != store.manifest.tokenizer:
        raise StoreMismatch(
            f"{store.path} was written with tokenizer {store.manifest.tokenizer}, not {tokenizer.digest}."
        )
    with StoreWriter(path, name=path.name, **twin_description(store.manifest)) as writer:
        for document in range(store.documents):
            with store.reading():
                writer.add(as_bytes(tokenizer.stored_pieces(store.token_ids(document))), {})
        return writer.publish(progress)
