"""What is Elasticsearch's own: addresses, credentials, servers 8 and 9, and servers that are away."""

import http.server
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from tests.sites import free_port
from tests.tracing.support.elasticsearch import WHEN_ABSENT, ElasticsearchServer, start_script
from tests.tracing.support.passages import Text, load_passages, passages, query
from tracing.core.errors import SearchUnavailable
from tracing.core.search.elastic.connection import Connection
from tracing.core.search.elastic.elasticsearch_index import ElasticsearchIndex

MEDIA_TYPE = "application/vnd.elasticsearch+"


class Front(http.server.BaseHTTPRequestHandler):
    """Passes requests on to `target`, if their media types and credentials are what a server of
    `version` takes: its own version or the one before, the same in both headers."""

    target, version, wanted, seen = "", 9, "", []

    def do_GET(self) -> None:
        types = {self.headers[name] for name in ("Accept", "Content-Type") if self.headers[name]}
        versions = {part.partition("compatible-with=")[2] for part in types if part.startswith(MEDIA_TYPE)}
        if not versions or not versions <= {str(self.version), str(self.version - 1)} or len(versions) > 1:
            self.answer(400, b'{"error": {"type": "media_type_header_exception"}, "status": 400}')
        elif self.wanted and self.headers["Authorization"] != self.wanted:
            self.answer(401, b'{"error": {"type": "security_exception"}, "status": 401}')
        else:
            self.pass_on()

    do_POST = do_PUT = do_DELETE = do_HEAD = do_GET  # noqa: N815  # the library calls them so

    def pass_on(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"] or 0)) or None
        headers = {name: self.headers[name] for name in ("Accept", "Content-Type") if self.headers[name]}
        request = urllib.request.Request(self.target + self.path, body, headers, method=self.command)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                self.answer(answer.status, answer.read())
        except urllib.error.HTTPError as error:
            self.answer(error.code, error.read())

    def answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("X-Elastic-Product", "Elasticsearch")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass


@contextmanager
def front(target: str, version: int, wanted: str = "") -> Iterator[int]:
    """A server of that version in front of `target`; gives its port."""
    handler = type("Handler", (Front,), {"target": target, "version": version, "wanted": wanted})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("version", [8, 9])
def test_servers_8_and_9_take_what_the_client_sends(
    elasticsearch_server: ElasticsearchServer, version: int
) -> None:
    with front(elasticsearch_server.url, version) as port:
        index = ElasticsearchIndex(Connection(f"http://127.0.0.1:{port}", index=f"version-{version}"))
        load_passages(index, passages([Text("fish")]))
        assert index.search(query("fish"), limit=1).total == 1
        with index.writer(rebuild=True) as writer:
            writer.publish()
        assert index.count_by("stage", query("fish")) == {}


def test_the_client_s_own_headers_are_refused_by_a_server_8(
    elasticsearch_server: ElasticsearchServer,
) -> None:
    """The front tells versions apart, so that the test above can fail."""
    from elasticsearch import BadRequestError, Elasticsearch

    with front(elasticsearch_server.url, 8) as port, pytest.raises(BadRequestError, match="media_type"):
        Elasticsearch(f"http://127.0.0.1:{port}").indices.get(index="*")


def test_credentials_go_along_and_are_never_told(elasticsearch_server: ElasticsearchServer) -> None:
    basic = "Basic bmFtZTpwQHNz"  # name:p@ss
    with front(elasticsearch_server.url, 9, basic) as port:
        index = ElasticsearchIndex(Connection(f"http://name:p%40ss@127.0.0.1:{port}", index="credentials"))
        assert index.loads() == {}
        wrong = ElasticsearchIndex(Connection(f"http://name:secret1@127.0.0.1:{port}", api_key="secret2"))
        with pytest.raises(SearchUnavailable, match="401: check the name and password") as caught:
            wrong.loads()
        assert "secret" not in str(caught.value)
        assert "secret2" not in repr(wrong.connection)


def test_a_server_that_is_away_is_one_clear_line() -> None:
    index = ElasticsearchIndex(Connection(f"http://name:secret@127.0.0.1:{free_port()}"))
    for ask in (
        index.loads,
        lambda: index.search(query("fish"), limit=1),
        lambda: index.writer().__enter__(),
    ):
        with pytest.raises(SearchUnavailable, match=r"does not answer .*: start it, or unset") as caught:
            ask()
        assert "secret" not in str(caught.value)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["localhost:9200", "ftp://host", "http://", "http://host:99999", "http://[::1"]
)
def test_an_address_that_cannot_be_one_is_refused(url: str) -> None:
    with pytest.raises(SearchUnavailable, match="ELASTICSEARCH_URL cannot be used: write it as"):
        ElasticsearchIndex(Connection(url)).loads()


def test_a_server_killed_in_mid_search_is_one_clear_line_and_is_found_again() -> None:
    script = start_script()
    if script is None:
        pytest.skip(WHEN_ABSENT)
    server = ElasticsearchServer(script)
    try:
        index = ElasticsearchIndex(Connection(server.url))
        load_passages(index, passages([Text("fish")]))
        told: list[str] = []

        def search_until_it_fails() -> None:
            try:
                while True:
                    index.search(query("fish"), limit=1)
            except SearchUnavailable as error:
                told.append(str(error))

        searching = [threading.Thread(target=search_until_it_fails) for _ in range(4)]
        for thread in searching:
            thread.start()
        server.kill()
        for thread in searching:
            thread.join()
        assert len(told) == 4
        assert all("does not answer" in line and "\n" not in line for line in told)
        server.start()
        assert total_once_recovered(index) == 1
    finally:
        server.remove()


def total_once_recovered(index: ElasticsearchIndex) -> int:
    """A server that has just started says 503 until it has opened its indexes."""
    for _ in range(100):
        with suppress(SearchUnavailable):
            return index.search(query("fish"), limit=1).total
        time.sleep(0.1)
    pytest.fail("the server did not recover")
