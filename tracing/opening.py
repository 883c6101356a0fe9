"""Stores and tokenizers, opened once a process."""

from pathlib import Path

from tracing.cache import Cache
from tracing.core.engines.choice import searched_by
from tracing.core.engines.infini_gram import InfiniGramStore
from tracing.core.errors import StoreMissing
from tracing.core.stores.store import TokenStore
from tracing.core.text.tokenizer import TextTokenizer
from tracing.models import Store

_stores: Cache[tuple[Path, str], TokenStore] = Cache(size=256)
_searched: Cache[tuple[Path, str, str], TokenStore | InfiniGramStore] = Cache(size=256)
_tokenizers: Cache[tuple[Path, int], TextTokenizer] = Cache(size=64)


def open_store(store: Store) -> TokenStore:
    """The store's reader, shared by this process's threads; opened anew where it has failed, for it may have
    been restored meanwhile. Raises StoreError."""
    if not store.is_here:
        raise StoreMissing(
            f"No token store at {store.path}: {store.name} is not on this machine: put it back, or "
            "do this where it lies."
        )
    key = (store.path, store.digest)
    return _stores.get(key, lambda: TokenStore.open(store.path), is_good=TokenStore.is_usable)


def open_searched(store: Store) -> TokenStore | InfiniGramStore:
    """The store as a corpus is given it: to be searched by the engine chosen for it, shared by this
    process's threads. Raises StoreError, or EngineFailed where the engine is not installed."""
    key = (store.path, store.digest, store.engine)
    reader = open_store(store)

    def reads_it(kept: TokenStore | InfiniGramStore) -> bool:
        return (kept.store if isinstance(kept, InfiniGramStore) else kept) is reader

    return _searched.get(key, lambda: searched_by(store.engine, reader), is_good=reads_it)


def open_tokenizer(directory: Path) -> TextTokenizer:
    """The tokenizer in `directory` (a tokenizer's or a checkpoint's), shared by this process's threads.

    Raises StoreError where there is none that can be read.
    """
    path = directory / "tokenizer.json"
    written = path.stat().st_mtime_ns if path.is_file() else 0
    return _tokenizers.get((directory, written), lambda: TextTokenizer.open(directory))
