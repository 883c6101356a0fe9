"""Choosing a store's engine: in its row, in the admin, on the command line."""

import json
import shutil
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from accounts.models import User
from tests.tracing.support.stores import write_store
from tracing.core.engines.infini_gram import InfiniGramStore
from tracing.core.errors import InputError
from tracing.models import Store
from tracing.services import open_searched, open_store, register_store


@pytest.fixture
def row(db: None) -> Iterator[Store]:
    path = settings.HOME / "stores" / "chosen"
    write_store(path, [[1, 2, 3, 4], [2, 3]]).close()
    yield register_store(path)
    shutil.rmtree(path)


def test_a_store_is_searched_by_our_engine_unless_another_is_chosen(row: Store) -> None:
    assert open_searched(row) is open_store(row)
    row.engine = "infini-gram"
    chosen = open_searched(row)
    assert isinstance(chosen, InfiniGramStore)
    assert open_searched(row) is chosen
    assert chosen.store is open_store(row)


def test_registering_a_store_again_leaves_its_engine_chosen(row: Store) -> None:
    Store.objects.update(engine="infini-gram")
    register_store(row.path)
    row.refresh_from_db()
    assert row.engine == "infini-gram"


def test_an_unknown_engine_is_refused(row: Store) -> None:
    row.engine = "grep"
    with pytest.raises(InputError, match="'grep': choose headwater or infini-gram"):
        open_searched(row)


def test_an_administrator_chooses_the_engine_and_changes_nothing_else(client: Client, row: Store) -> None:
    client.force_login(User.objects.create_superuser("ada", "ada@example.org", "a long password"))
    address = reverse("admin:tracing_store_change", args=[row.pk])
    assert b"infini-gram" in client.get(address).content
    changed = client.post(address, {"engine": "infini-gram", "name": "stolen", "tokens": 1})
    assert changed.status_code == 302
    after = Store.objects.get(pk=row.pk)
    assert (after.engine, after.name, after.tokens) == ("infini-gram", "chosen", row.tokens)
    assert client.post(address, {"engine": "grep"}).status_code == 200
    assert Store.objects.get(pk=row.pk).engine == "infini-gram"


def test_the_command_traces_by_the_engine_that_it_is_told(row: Store, tmp_path: Path) -> None:
    (tmp_path / "ids.json").write_text("[2, 3, 4, 9]")
    found = [traced(row.path, tmp_path / "ids.json", engine) for engine in ("headwater", "infini-gram")]
    assert [(span["token_start"], span["token_end"], span["count"]) for span in found[0]] == [(0, 3, 1)]
    assert found[0] == found[1]


def traced(index: Path, ids: Path, engine: str) -> list[dict]:
    output = StringIO()
    options = ["--index", str(index), "--ids", str(ids), "--engine", engine, "--raw", "--json"]
    call_command("trace", *options, stdout=output)
    return json.loads(output.getvalue())["spans"]
