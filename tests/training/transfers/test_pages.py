"""Models taken in, given out and merged from pages: by administrators alone, by a worker, on record."""

import json
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from asgiref.sync import async_to_sync
from django.conf import settings
from django.http import StreamingHttpResponse
from django.test import Client
from django.utils import timezone

from accounts.models import AuditEntry, User
from tests.training.exchange.test_merging import adapter
from training.core.checkpoints import read_checkpoint
from training.models import Checkpoint, Transfer
from training.transfers import work
from training.transfers.folders import files_of
from training.transfers.models import TransferState

__all__ = ["adapter"]

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis_server")]


@pytest.fixture
def administrator(client: Client) -> Client:
    client.force_login(User.objects.create_user("grace", is_staff=True))
    return client


@pytest.fixture(autouse=True)
def _own_folders(home: Path) -> Iterator[None]:
    yield
    for name in ("imports", "exports"):
        shutil.rmtree(home / name, ignore_errors=True)
    for path in (home / "checkpoints").glob("taken-*"):
        shutil.rmtree(path)


def put_in_imports(checkpoint: Checkpoint, name: str) -> None:
    """A model's directory as an operator puts it there: without our manifest."""
    folder = settings.HOME / "imports" / name
    shutil.copytree(checkpoint.path, folder)
    (folder / "manifest.json").unlink()


def done(pk: int) -> Transfer:
    work.work_on(pk)
    return Transfer.objects.get(pk=pk)


def page_of(client: Client) -> str:
    return str(client.get("/transfers/").content.decode())


def test_a_directory_that_lies_in_imports_becomes_a_checkpoint(
    administrator: Client, instruct: Checkpoint
) -> None:
    put_in_imports(instruct, "olmo-like")
    assert '<option value="olmo-like">' in page_of(administrator)
    asked = {"folder": "olmo-like", "name": "taken-in", "corpora": [instruct.stores.get().name]}
    response = administrator.post("/transfers/", asked)
    transfer = Transfer.objects.get()
    assert response.headers["Location"] == f"/transfers/#transfer-{transfer.pk}"
    assert 'data-state="queued"' in page_of(administrator)
    transfer = done(transfer.pk)
    assert (transfer.state, transfer.error) == (TransferState.SUCCEEDED, "")
    made = Checkpoint.objects.get(name="taken-in")
    assert (transfer.made, made.stage, made.stores.count()) == (made, "imported", 1)
    assert 0 < transfer.done <= transfer.total
    assert "/checkpoints/taken-in/" in page_of(administrator)
    acts = AuditEntry.objects.filter(actor__username="grace").values_list("action", flat=True)
    assert {"import a model", "ask for import"} <= set(acts)


def test_a_model_that_is_refused_says_why_and_leaves_nothing(
    administrator: Client, instruct: Checkpoint
) -> None:
    put_in_imports(instruct, "coded")
    config = settings.HOME / "imports" / "coded" / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"auto_map": {"AutoModel": "x.Y"}}))
    administrator.post("/transfers/", {"folder": "coded", "name": "taken-code"})
    transfer = done(Transfer.objects.get().pk)
    assert transfer.state == TransferState.FAILED
    assert "auto_map" in transfer.error
    assert str(settings.HOME) not in transfer.error
    assert not Checkpoint.objects.filter(name="taken-code").exists()
    assert not list((settings.HOME / "checkpoints").glob("*taken-code*"))


@pytest.mark.parametrize("folder", ["../checkpoints/x", "/etc", ".hidden", "", "missing", "a\0b"])
def test_only_what_is_offered_is_taken(administrator: Client, instruct: Checkpoint, folder: str) -> None:
    put_in_imports(instruct, "here")
    put_in_imports(instruct, ".hidden")
    response = administrator.post("/transfers/", {"folder": folder, "name": "taken-other"})
    assert response.status_code == 422
    assert not Transfer.objects.exists()


def test_names_that_are_taken_or_none_are_refused_at_once(
    administrator: Client, instruct: Checkpoint
) -> None:
    put_in_imports(instruct, "here")
    for name in (instruct.name, "Two Words", "../x", "x" * 101, ""):
        response = administrator.post("/transfers/", {"folder": "here", "name": name})
        assert response.status_code == 422, name
    asked = {"folder": "here", "name": "taken-new", "corpora": ["no-such-store"]}
    assert administrator.post("/transfers/", asked).status_code == 422
    assert not Transfer.objects.exists()


def test_an_export_is_written_listed_fetched_and_deleted(administrator: Client, instruct: Checkpoint) -> None:
    assert "Export</button>" in administrator.get(f"/checkpoints/{instruct.name}/").content.decode()
    for _ in range(2):  # pressed twice, it is one
        administrator.post(f"/checkpoints/{instruct.name}/export/", {"gguf": "f16"})
    transfer = done(Transfer.objects.get().pk)
    assert transfer.state == TransferState.SUCCEEDED, transfer.error
    names = {file.name for file in files_of(transfer)}
    assert {"README.md", "model.safetensors", "config.json", f"{instruct.name}-f16.gguf"} <= names
    assert f"/transfers/{transfer.pk}/files/README.md" in page_of(administrator)
    assert fetched(administrator, transfer, "README.md").startswith(b"---")
    assert fetched(administrator, transfer, "model.safetensors") == (
        (instruct.path / "model.safetensors").read_bytes()
    )
    for name in ("../../db.sqlite3", "no-such", "..", "%2e%2e%2fdb.sqlite3"):
        assert administrator.get(f"/transfers/{transfer.pk}/files/{name}").status_code == 404
    administrator.post(f"/transfers/{transfer.pk}/delete/")
    assert not transfer.directory.exists()
    assert not Transfer.objects.exists()
    acts = AuditEntry.objects.values_list("action", flat=True)
    assert {"ask for export", "export a model", "delete an export"} <= set(acts)


def fetched(client: Client, transfer: Transfer, name: str) -> bytes:
    response = client.get(f"/transfers/{transfer.pk}/files/{name}")
    assert isinstance(response, StreamingHttpResponse)
    assert response.headers["Content-Disposition"] == f'attachment; filename="{name}"'
    content = async_to_sync(whole)(response)
    assert len(content) == int(response.headers["Content-Length"])
    return content


async def whole(response: StreamingHttpResponse) -> bytes:
    return b"".join([chunk async for chunk in response])


def test_gguf_is_offered_where_it_can_be_written(administrator: Client, instruct: Checkpoint) -> None:
    page = f"/checkpoints/{instruct.name}/"
    assert "GGUF file" in administrator.get(page).content.decode()
    config = instruct.path / "config.json"
    written = config.read_text()
    try:
        config.write_text(json.dumps(json.loads(written) | {"model_type": "llama"}))
        assert "GGUF file" not in administrator.get(page).content.decode()
        response = administrator.post(f"{page}export/", {"gguf": "f16"}, follow=True)
        assert "a GGUF file is written of Olmo 2 and 3 models" in response.content.decode()
        assert not Transfer.objects.exists()
    finally:
        config.write_text(written)


def test_an_adapter_is_merged_into_its_base(administrator: Client, adapter: Checkpoint) -> None:
    page = f"/checkpoints/{adapter.name}/"
    assert "Merge into its base" in administrator.get(page).content.decode()
    administrator.post(f"{page}merge/", {"name": "small-merged-here"})
    transfer = done(Transfer.objects.get().pk)
    assert transfer.state == TransferState.SUCCEEDED, transfer.error
    merged = Checkpoint.objects.get(name="small-merged-here")
    assert (transfer.made, merged.base) == (merged, None)
    assert read_checkpoint(merged.path).parents == (adapter.name,)
    response = administrator.post(f"/checkpoints/{merged.name}/merge/", follow=True)
    assert "there is nothing to merge" in response.content.decode()


def test_nobody_else_finds_or_does_any_of_it(client: Client, instruct: Checkpoint) -> None:
    transfer = Transfer.objects.create(kind="export", name=instruct.name, state="succeeded")
    client.force_login(User.objects.create_user("bob"))
    page = f"/checkpoints/{instruct.name}/"
    assert "/export/" not in client.get(page).content.decode()
    assert client.get("/transfers/").status_code == 403
    assert client.get(f"/transfers/{transfer.pk}/files/README.md").status_code == 403
    for address in ("/transfers/", f"/transfers/{transfer.pk}/delete/", f"{page}export/", f"{page}merge/"):
        assert client.post(address).status_code == 403
    client.logout()
    assert client.post("/transfers/").headers["Location"].startswith("/sign-in/")
    assert list(Transfer.objects.all()) == [transfer]


def test_a_dead_worker_s_transfer_is_done_by_another_and_given_up_after_three(
    administrator: Client, instruct: Checkpoint
) -> None:
    administrator.post(f"/checkpoints/{instruct.name}/export/")
    pk = Transfer.objects.get().pk
    for attempt in range(1, 4):
        held = work.claim(pk)
        assert held is not None
        assert held.attempts == attempt
        assert work.claim(pk) is None
        work.recover_transfers()
        assert Transfer.objects.get().state == TransferState.RUNNING  # it lives, as far as anyone knows
        Transfer.objects.update(heartbeat_at=timezone.now() - timedelta(minutes=5))
        work.recover_transfers()
        with pytest.raises(work.LostTransfer):
            work.change(held, phase="writing")
    gone = Transfer.objects.get()
    assert (gone.state, gone.error) == (TransferState.FAILED, work.GONE)


def test_a_damaged_checkpoint_is_neither_given_out_nor_merged(
    administrator: Client, adapter: Checkpoint
) -> None:
    Checkpoint.objects.filter(pk=adapter.pk).update(damage="Its weights were changed.")
    assert "/export/" not in administrator.get(f"/checkpoints/{adapter.name}/").content.decode()
    for act in ("export", "merge"):
        response = administrator.post(f"/checkpoints/{adapter.name}/{act}/", follow=True)
        assert "cannot be started from" in response.content.decode()
    assert not Transfer.objects.exists()
