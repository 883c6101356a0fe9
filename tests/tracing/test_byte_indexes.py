"""Byte indexes are built in the background, used at once, and removed with their stores."""

import shutil
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from tests.tracing.bytes.test_byte_index import HIDDEN, split
from tests.tracing.support.stores import text_tokenizer, tokenizer_json, write_store
from tracing.byte_indexes import build_byte_index, build_byte_indexes, byte_index_folder, byte_twins_of
from tracing.core.stores.verify import verify_store
from tracing.core.trace import Tracer, TraceRequest
from tracing.models import Store
from tracing.services import open_store, register_store

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def no_indexes_yet(home: Path) -> None:
    shutil.rmtree(byte_index_folder(), ignore_errors=True)


@pytest.fixture
def row(home: Path) -> Store:
    """A small store whose tokenizer is kept."""
    kept = settings.HOME / "tokenizers" / "of-byte-tests"
    kept.mkdir(parents=True, exist_ok=True)
    (kept / "tokenizer.json").write_text(tokenizer_json())
    path = settings.HOME / "stores" / "byte-tests"
    if not path.exists():
        write_store(path, [split(HIDDEN, 7), [5]], stage="sft").close()
    return register_store(path)


def trace(row: Store) -> Any:
    store = open_store(row)
    tracer = Tracer([store], text_tokenizer(), twins=byte_twins_of([store]))
    found = tracer.trace(TraceRequest(token_ids=text_tokenizer().encode(HIDDEN)[0]))
    return [span.text for span in found.spans if span.matched_on == "bytes"]


def test_a_registered_store_gets_its_index_once(row: Store) -> None:
    assert trace(row) == []
    assert build_byte_indexes() == 1
    assert trace(row) == [HIDDEN]
    assert build_byte_indexes() == 0
    [path] = byte_index_folder().iterdir()
    assert path.name == f"byte-tests-{row.digest.removeprefix('sha256:')[:12]}"
    assert verify_store(path).manifest.generator == {"bytes_of": row.digest}


def test_the_index_goes_with_its_store(row: Store) -> None:
    build_byte_index(row)
    row.delete()
    build_byte_indexes()
    assert list(byte_index_folder().iterdir()) == []


def test_an_index_that_cannot_be_opened_is_not_used(row: Store, caplog: pytest.LogCaptureFixture) -> None:
    build_byte_index(row)
    [path] = byte_index_folder().iterdir()
    (path / "table.0").write_bytes(b"")
    store = open_store(row)
    from tracing import byte_indexes

    byte_indexes._twins._kept.clear()
    assert byte_twins_of([store]) == []
    assert "is not used, remove it" in caplog.text


def test_the_command_builds_the_index_of_a_store_by_its_name(row: Store) -> None:
    for said in ("Published its byte index.", "It has one already."):
        output = StringIO()
        call_command("build_index", row.name, "--bytes", stdout=output)
        assert said in output.getvalue()
    with pytest.raises(CommandError, match="none is called 'nobody'"):
        call_command("build_index", "nobody", "--bytes")
