"""Stores and tokenizers, opened once a process."""

from pathlib import Path

from tracing.cache import Cache
from tracing.core.stores.store import TokenStore
from tracing.core.text.tokenizer import TextTokenizer
from tracing.models import Store

_stores: Cache[tuple[Path, str], TokenStore] = Cache(size=256)
_tokenizers: Cache[tuple[Path, int], TextTokenizer] = Cache(size=64)


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
