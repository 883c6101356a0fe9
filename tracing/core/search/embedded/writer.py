"""Writing a version of the tantivy index."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import tantivy

from tracing.core.search.embedded.schema import SCHEMA, journal_document, passage_document, read_journal
from tracing.core.search.embedded.versions import Versions, explained
from tracing.core.search.index import Load
from tracing.core.search.passages import Passage

HEAP_BYTES: Final = 48 << 20
"""What tantivy keeps in memory before it writes a segment."""


class TantivyWriter:
    """Implements IndexWriter. The journal is committed together with what it speaks of, so that a killed
    loader leaves neither doubles nor gaps."""

    def __init__(self, versions: Versions, path: Path) -> None:
        self._versions, self._path, self._closed = versions, path, False
        with explained(path):
            self._index = tantivy.Index(SCHEMA, path=str(path))
            self._writer = self._index.writer(heap_size=HEAP_BYTES, num_threads=1)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def loads(self) -> Mapping[str, Load]:
        with explained(self._path):
            self._index.reload()
            return read_journal(self._index.searcher())

    def add(self, passages: Sequence[Passage]) -> None:
        with explained(self._path):
            for passage in passages:
                self._writer.add_document(passage_document(passage))

    def commit(self, load: Load) -> None:
        with explained(self._path):
            self._writer.delete_documents_by_term("journal", load.store)
            self._writer.add_document(journal_document(load))
            self._writer.commit()

    def remove(self, store: str) -> None:
        with explained(self._path):
            self._writer.delete_documents_by_term("store", store)
            self._writer.delete_documents_by_term("journal", store)
            self._writer.commit()

    def publish(self) -> None:
        self._close()
        with self._versions.lock("load"):
            self._versions.publish(self._path)

    def _close(self) -> None:
        """Forgets what was not committed, and frees the version for the next writer."""
        if not self._closed:
            self._closed = True
            with explained(self._path):
                self._writer.rollback()
                self._writer.wait_merging_threads()
