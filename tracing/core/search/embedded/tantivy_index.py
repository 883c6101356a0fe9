"""The search index that is part of Headwater: tantivy, in a directory of its own."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import tantivy

from tracing.core.errors import InputError
from tracing.core.search.embedded.queries import translate
from tracing.core.search.embedded.schema import STORED_NUMBERS, read_journal
from tracing.core.search.embedded.versions import Versions, explained
from tracing.core.search.embedded.writer import TantivyWriter
from tracing.core.search.index import DEEPEST, VALUES_MAX, Hit, Hits, Load
from tracing.core.search.query import Field, Query


class TantivyIndex:
    """The index under `directory`. Reads what other processes have committed."""

    name = "tantivy"

    def __init__(self, directory: Path) -> None:
        self.versions = Versions(directory)
        self._opened: tuple[Path, tantivy.Index] | None = None
        self._lock = threading.Lock()

    def search(self, query: Query, *, limit: int, offset: int = 0) -> Hits:
        if limit < 1 or offset < 0 or offset + limit > DEEPEST:
            raise InputError(f"Hits {offset} to {offset + limit} were asked for: 0 to {DEEPEST} can be read.")
        with explained(self.versions.directory):
            searcher = self._searcher()
            if searcher is None:
                return Hits([], 0)
            total, ordered = _ordered(searcher, query)
            found = [
                _hit(searcher.doc(address), score) for score, address in ordered[offset : offset + limit]
            ]
            return Hits(found, total)

    def count_by(self, field: Field, query: Query) -> dict[str, int]:
        with explained(self.versions.directory):
            searcher = self._searcher()
            if searcher is None:
                return {}
            counting = {"values": {"terms": {"field": field, "size": VALUES_MAX}}}
            counted = searcher.aggregate(translate(query), counting)
            return {bucket["key"]: bucket["doc_count"] for bucket in counted["values"]["buckets"]}

    def loads(self) -> Mapping[str, Load]:
        with explained(self.versions.directory):
            searcher = self._searcher()
            return {} if searcher is None else read_journal(searcher)

    @contextmanager
    def writer(self, *, rebuild: bool = False) -> Iterator[TantivyWriter]:
        apart = rebuild and self.versions.current is not None
        with self.versions.lock("rebuild" if apart else "load"):
            path = self.versions.under_construction() if apart else self.versions.current_or_first()
            with TantivyWriter(self.versions, path) as writer:
                yield writer

    def _searcher(self) -> tantivy.Searcher | None:
        """The newest commit of the current version, None where there is none.

        A version may be replaced, and deleted, between being found and being read: then the next is read.
        """
        path = self.versions.current
        while path is not None:
            try:
                return self._read(path)
            except Exception:
                before, path = path, self.versions.current
                if path == before:
                    raise
        return None

    def _read(self, path: Path) -> tantivy.Searcher:
        with self._lock:
            if self._opened is None or self._opened[0] != path:
                self._opened = (path, tantivy.Index.open(str(path)))
            index = self._opened[1]
            index.reload()
            return index.searcher()


def _ordered(
    searcher: tantivy.Searcher, query: Query
) -> tuple[int, Sequence[tuple[float, tantivy.DocAddress]]]:
    """How many hits there are, and the first DEEPEST by score, equal ones by rank, or all by rank.

    Always as many, whatever page is wanted: tantivy breaks ties by address, and a sort of fewer hits
    would order those at its end differently.
    """
    order_by = None if query.by_relevance else "rank"
    found = searcher.search(translate(query), limit=DEEPEST, order_by_field=order_by)
    addresses = [address for _, address in found.hits]
    scores = [float(score) if query.by_relevance else 0.0 for score, _ in found.hits]
    ranks, ties = (searcher.fast_field_values(name, addresses) for name in ("rank", "tie"))
    ordered = sorted(
        zip(scores, addresses, ranks, ties, strict=True),
        key=lambda row: (-row[0], -int(row[2] or 0), int(row[3] or 0)),
    )
    return _count(found), [(score, address) for score, address, _, _ in ordered]


def _count(found: tantivy.SearchResult) -> int:
    return int(found.count)  # type: ignore[attr-defined]  # missing in the library's stub


def _hit(document: tantivy.Document, score: float) -> Hit:
    numbers = {name: int(document.get_first(name) or 0) for name in STORED_NUMBERS}
    return Hit(store=str(document.get_first("store")), score=score, **numbers)
