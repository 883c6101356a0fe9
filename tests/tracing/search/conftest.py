"""Both search backends: every test that asks for `index` or `open_index` runs over each."""

import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from tracing.core.search.elastic.connection import Connection
from tracing.core.search.elastic.elasticsearch_index import ElasticsearchIndex
from tracing.core.search.embedded.tantivy_index import TantivyIndex
from tracing.core.search.index import SearchIndex

OpenIndex = Callable[[], SearchIndex]


@pytest.fixture(params=["tantivy", "elasticsearch"])
def open_index(request: pytest.FixtureRequest, tmp_path: Path) -> OpenIndex:
    """Opens the test's own index, as another process would; it is empty at first."""
    if request.param == "tantivy":
        return lambda: TantivyIndex(tmp_path / "search")
    server = request.getfixturevalue("elasticsearch_server")
    connection = Connection(server.url, index=f"test-{uuid.uuid4().hex[:12]}")
    return lambda: ElasticsearchIndex(connection)


@pytest.fixture
def index(open_index: OpenIndex) -> SearchIndex:
    return open_index()
