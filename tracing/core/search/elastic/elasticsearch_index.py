"""The search index on an Elasticsearch server: numbered indexes, of which an alias names the one searched."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cached_property
from typing import Any, Final

from elasticsearch import Elasticsearch, NotFoundError

from tracing.core.errors import InputError, SearchUnavailable
from tracing.core.search.elastic.connection import Connection, connect, explained
from tracing.core.search.elastic.queries import order, translate
from tracing.core.search.elastic.writer import ElasticsearchWriter, read_journal
from tracing.core.search.index import DEEPEST, SCHEMA, VALUES_MAX, Hit, Hits, Load
from tracing.core.search.query import Field, Query

ATTEMPTS: Final = 4
KEYWORD: Final = {"type": "keyword"}
NUMBER: Final = {"type": "long", "index": False}
MAPPINGS: Final[dict[str, Any]] = {
    "dynamic": "strict",
    "_source": {"excludes": ["words"]},
    "properties": {
        "words": {"type": "text", "analyzer": "whitespace"},
        "store": KEYWORD,
        "stage": KEYWORD,
        "licence": KEYWORD,
        "source": KEYWORD,
        "date": {"type": "long"},
        "rank": NUMBER,
        "tie": NUMBER,
        "document": {**NUMBER, "doc_values": False},
        "passage": {**NUMBER, "doc_values": False},
        "start": {**NUMBER, "doc_values": False},
        "stop": {**NUMBER, "doc_values": False},
        "kind": KEYWORD,
        "load": {"type": "object", "enabled": False},
    },
}
"""`words` are split at spaces only: words.py has made them. The text itself stays in the token store."""


class ElasticsearchIndex:
    """Implements SearchIndex on the server that `connection` names."""

    name = "Elasticsearch"

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.alias = f"{connection.index}-{SCHEMA}"

    @cached_property
    def client(self) -> Elasticsearch:
        return connect(self.connection)

    def search(self, query: Query, *, limit: int, offset: int = 0) -> Hits:
        if limit < 1 or offset < 0 or offset + limit > DEEPEST:
            raise InputError(f"Hits {offset} to {offset + limit} were asked for: 0 to {DEEPEST} can be read.")
        page = {"size": limit, "from_": offset, "sort": order(query), "track_total_hits": True}
        found = self._ask(query, **page)
        if found is None:
            return Hits([], 0)
        hits = [_hit(row) for row in found["hits"]["hits"]]
        return Hits(hits, found["hits"]["total"]["value"])

    def count_by(self, field: Field, query: Query) -> dict[str, int]:
        counting = {"values": {"terms": {"field": field, "size": VALUES_MAX}}}
        found = self._ask(query, size=0, aggs=counting)
        if found is None:
            return {}
        return {bucket["key"]: bucket["doc_count"] for bucket in found["aggregations"]["values"]["buckets"]}

    def loads(self) -> Mapping[str, Load]:
        with explained(self.connection):
            try:
                return read_journal(self.client, self.alias)
            except NotFoundError:
                return {}

    @contextmanager
    def writer(self, *, rebuild: bool = False) -> Iterator[ElasticsearchWriter]:
        with explained(self.connection):
            current = self._current()
            if current is None:
                index = self._create(1, aliases={self.alias: {}})
            elif rebuild:
                index = self._under_construction(current)
            else:
                index = current
            yield ElasticsearchWriter(self.client, index, self.alias)

    def _ask(self, query: Query, **options: Any) -> Any:
        """The server's answer, None where nothing was loaded yet.

        An index may be replaced, and deleted, while it is searched: then the next one is.
        """
        with explained(self.connection):
            for _ in range(ATTEMPTS):
                with suppress(NotFoundError):
                    return self.client.search(index=self.alias, query=translate(query), **options)
                if self._current() is None:
                    return None
        raise SearchUnavailable(f"The alias {self.alias} names an index that is not there: build it anew.")

    def _current(self) -> str | None:
        """The index behind the alias."""
        try:
            behind = self.client.indices.get_alias(name=self.alias).body
        except NotFoundError:
            return None
        return max(behind, default=None)

    def _under_construction(self, current: str) -> str:
        """The index after the current one: an interrupted one, or a new one."""
        known = max(self.client.indices.get(index=f"{self.alias}-*").body)
        return str(known) if known > current else self._create(int(current.rsplit("-", 1)[1]) + 1)

    def _create(self, number: int, **options: Any) -> str:
        index = f"{self.alias}-{number:06d}"
        settings = {"number_of_shards": 1}
        self.client.indices.create(index=index, mappings=MAPPINGS, settings=settings, **options)
        return index


def _hit(row: Mapping[str, Any]) -> Hit:
    fields = row["_source"]
    names = ("store", "document", "passage", "start", "stop")
    return Hit(**{name: fields[name] for name in names}, score=row["_score"] or 0.0)
