"""The search index that the settings choose."""

from functools import lru_cache
from pathlib import Path

from django.conf import settings

from tracing.core.search.elastic.connection import Connection
from tracing.core.search.elastic.elasticsearch_index import ElasticsearchIndex
from tracing.core.search.embedded.tantivy_index import TantivyIndex
from tracing.core.search.index import SearchIndex


def search_index() -> SearchIndex:
    """Elasticsearch where ELASTICSEARCH_URL names it, else the index in HEADWATER_HOME; once a process."""
    connection = None
    if settings.ELASTICSEARCH_URL:
        connection = Connection(
            url=settings.ELASTICSEARCH_URL,
            api_key=settings.ELASTICSEARCH_API_KEY,
            ca_file=settings.ELASTICSEARCH_CA_FILE,
            index=settings.ELASTICSEARCH_INDEX,
        )
    return opened(settings.HOME / "search", connection)


@lru_cache(maxsize=8)
def opened(directory: Path, connection: Connection | None) -> SearchIndex:
    return TantivyIndex(directory) if connection is None else ElasticsearchIndex(connection)
