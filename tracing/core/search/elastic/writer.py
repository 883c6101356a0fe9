"""Writing an Elasticsearch index in bulk."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from elasticsearch import Elasticsearch, NotFoundError
from elasticsearch.helpers import bulk, scan

from tracing.core.search.index import Load
from tracing.core.search.passages import Passage

BULK_TIMEOUT_S: Final = 120.0
BULK_PASSAGES: Final = 500
BULK_BYTES: Final = 8 << 20
LOADS_MAX: Final = 10_000


class ElasticsearchWriter:
    """Implements IndexWriter. A passage's id is its key: what a killed loader sent is sent again over it."""

    def __init__(self, client: Elasticsearch, index: str, alias: str) -> None:
        self._client = client.options(request_timeout=BULK_TIMEOUT_S)
        self._index, self._alias = index, alias
        self._waiting: list[dict[str, Any]] = []

    def loads(self) -> Mapping[str, Load]:
        return read_journal(self._client, self._index)

    def add(self, passages: Sequence[Passage]) -> None:
        self._waiting += [{"_id": passage.key, **_fields(passage)} for passage in passages]
        if len(self._waiting) >= BULK_PASSAGES:
            self._send()

    def commit(self, load: Load) -> None:
        self._send()
        entry = {"kind": "journal", "load": load.__dict__}
        self._client.index(index=self._index, id=f"journal:{load.store}", document=entry)
        self._client.indices.refresh(index=self._index)

    def remove(self, store: str) -> None:
        found = scan(
            self._client, index=self._index, query={"query": {"term": {"store": store}}}, _source=False
        )
        self._bulk({"_op_type": "delete", "_id": row["_id"]} for row in found)
        self._client.options(ignore_status=404).delete(index=self._index, id=f"journal:{store}")
        self._client.indices.refresh(index=self._index)

    def publish(self) -> None:
        """Moves the alias in one request, then deletes the indexes that it named."""
        before = [name for name in self._behind_alias() if name != self._index]
        actions = [{"add": {"index": self._index, "alias": self._alias}}]
        actions += [{"remove": {"index": name, "alias": self._alias}} for name in before]
        self._client.indices.update_aliases(actions=actions)
        for name in before:
            self._client.options(ignore_status=404).indices.delete(index=name)

    def _behind_alias(self) -> list[str]:
        try:
            return list(self._client.indices.get_alias(name=self._alias).body)
        except NotFoundError:
            return []

    def _send(self) -> None:
        waiting, self._waiting = self._waiting, []
        self._bulk(waiting)

    def _bulk(self, actions: Iterable[dict[str, Any]]) -> None:
        """A server that is too busy (429) is asked again, ever more slowly."""
        bulk(
            self._client,
            actions,
            index=self._index,
            chunk_size=BULK_PASSAGES,
            max_chunk_bytes=BULK_BYTES,
            max_retries=6,
            initial_backoff=1,
        )


def read_journal(client: Elasticsearch, index: str) -> dict[str, Load]:
    journal = {"term": {"kind": {"value": "journal"}}}
    found = client.search(index=index, query=journal, size=LOADS_MAX)
    loads = [Load(**row["_source"]["load"]) for row in found["hits"]["hits"]]
    return {load.store: load for load in loads}


def _fields(passage: Passage) -> dict[str, Any]:
    fields = {**passage.__dict__, "passage": passage.number, "rank": passage.rank, "tie": passage.tie}
    del fields["number"]
    return fields
