"""What the rest of Headwater asks of tracing: register a published store, and open one, once a process."""

from pathlib import Path

from tracing.cache import Cache
from tracing.core.stores.manifest import read_manifest
from tracing.core.stores.store import TokenStore
from tracing.core.text.tokenizer import TextTokenizer
from tracing.models import Store

_stores: Cache[tuple[Path, str], TokenStore] = Cache(size=256)
_tokenizers: Cache[tuple[Path, int], TextTokenizer] = Cache(size=64)


def register_store(path: Path) -> Store:
    """The row of the store published at `path`, made or brought up to date from its manifest.

    Raises StoreMissing or StoreDamaged. The store must lie in HEADWATER_HOME/stores under its own name.
    """
    manifest = read_manifest(path)
    fields = {name: getattr(manifest, name) for name in ("stage", "source", "licence", "tokenizer")}
    sizes = {"tokens": manifest.tokens, "documents": manifest.documents, "digest": manifest.digest}
    store, _ = Store.objects.update_or_create(name=path.name, defaults={**fields, **sizes})
    return store


def open_store(store: Store) -> TokenStore:
    """The store's reader, shared by this process's threads. Raises StoreError."""
    return _stores.get((store.path, store.digest), lambda: TokenStore.open(store.path))


def open_tokenizer(directory: Path) -> TextTokenizer:
    """The tokenizer in `directory` (a tokenizer's or a checkpoint's), shared by this process's threads.

    Raises StoreError where there is none that can be read.
    """
    path = directory / "tokenizer.json"
    written = path.stat().st_mtime_ns if path.is_file() else 0
    return _tokenizers.get((directory, written), lambda: TextTokenizer.open(directory))
