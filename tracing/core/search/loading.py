"""Loading stores into a search index: in the order of their documents, a commit every few seconds."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Final

from tracing.core.search.index import IndexWriter, Load
from tracing.core.search.passages import passages_of
from tracing.core.stores.store import TokenStore
from tracing.core.text.tokenizer import TextTokenizer

COMMIT_S: Final = 3.0
COMMIT_TOKENS: Final = 4_000_000


@dataclass(frozen=True)
class Progress:
    """How far a loader is with a store. `eta_s` is None until it can be told."""

    name: str
    done: int
    documents: int
    documents_per_s: float
    eta_s: float | None


Report = Callable[[Progress], None]


def load_store(
    writer: IndexWriter,
    store: TokenStore,
    tokenizer: TextTokenizer,
    report: Report = lambda progress: None,
    *,
    commit_tokens: int = COMMIT_TOKENS,
) -> Load:
    """Loads what the journal does not speak of yet, and returns the finished journal entry.

    Memory does not grow with the store: a document is read a passage at a time. Raises StoreError where a
    document cannot be read, SearchUnavailable where the index cannot be written; what was committed stays.
    """
    digest = store.manifest.digest
    load = writer.loads().get(digest) or Load(digest, store.documents)
    pace = Pace(store.manifest.name, load)
    tokens, committed_at = 0, time.monotonic()
    for document in range(load.done, store.documents):
        passages = add_document(writer, store, document, tokenizer)
        load = replace(load, done=document + 1, passages=load.passages + passages)
        tokens += store.token_ids(document).size + 1
        if tokens >= commit_tokens or time.monotonic() - committed_at >= COMMIT_S:
            writer.commit(load)
            report(pace.progress(load))
            tokens, committed_at = 0, time.monotonic()
    writer.commit(load)
    report(pace.progress(load))
    return load


def add_document(writer: IndexWriter, store: TokenStore, document: int, tokenizer: TextTokenizer) -> int:
    """Adds a document's passages and returns how many they are."""
    count = 0
    for passage in passages_of(store, document, tokenizer):
        writer.add([passage])
        count += 1
    return count


def remove_stale(writer: IndexWriter, digests: Iterable[str]) -> list[str]:
    """Removes every store that is not one of these, and returns the removed ones' digests."""
    stale = sorted(set(writer.loads()).difference(digests))
    for digest in stale:
        writer.remove(digest)
    return stale


class Pace:
    """Documents a second since the loader began."""

    def __init__(self, name: str, load: Load) -> None:
        self._name, self._first, self._started = name, load.done, time.monotonic()

    def progress(self, load: Load) -> Progress:
        elapsed = max(time.monotonic() - self._started, 1e-6)
        pace = (load.done - self._first) / elapsed
        eta_s = (load.documents - load.done) / pace if pace else None
        return Progress(self._name, load.done, load.documents, pace, eta_s)
