"""Damaged weights are found, said, and refused; whole ones are believed again."""

import io
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from accounts.models import AuditEntry
from tests.training.registry.shelf import put_checkpoint, put_store
from tracing.models import Store
from training.core.errors import CheckpointError
from training.core.stages.setup import open_parent
from training.fine_tuning.services import start_fine_tune
from training.models import Checkpoint, Job


@pytest.fixture
def checkpoint() -> Checkpoint:
    return put_checkpoint("c")


def weights(checkpoint: Checkpoint) -> Path:
    return checkpoint.path / "model.safetensors"


def verify(*names: str, **options: bool) -> str:
    out = io.StringIO()
    call_command("verify_checkpoint", *names, stdout=out, **options)
    return out.getvalue()


def test_a_flipped_bit_is_found_and_mended_weights_are_believed(checkpoint: Checkpoint) -> None:
    assert f"c: whole, {checkpoint.digest}" in verify("c")
    content = weights(checkpoint).read_bytes()
    weights(checkpoint).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(CommandError, match="1 of 1 damaged: c"):
        verify(all=True)
    checkpoint.refresh_from_db()
    assert "not those that were published" in checkpoint.damage
    weights(checkpoint).write_bytes(content)
    verify("c")
    checkpoint.refresh_from_db()
    assert not checkpoint.damage
    assert checkpoint.verified_at is not None
    assert AuditEntry.objects.filter(action="verify", label="c").count() == 3


def test_other_files_in_its_place_are_no_proof(checkpoint: Checkpoint) -> None:
    Checkpoint.objects.update(digest="sha256:another")
    with pytest.raises(CommandError, match="damaged"):
        verify("c")


def test_a_stage_does_not_start_from_damaged_weights(checkpoint: Checkpoint) -> None:
    class Config:
        parent = str(checkpoint.path)
        stage = "think-sft"

    class Job:
        config = Config

    store = put_store("s", [[1, 2, 3]])
    assert open_parent(Job, store)[1].name == "c"  # type: ignore[arg-type]
    weights(checkpoint).write_bytes(b"other")
    with pytest.raises(CheckpointError, match="not those that were published"):
        open_parent(Job, store)  # type: ignore[arg-type]


def test_no_job_is_begun_from_a_damaged_checkpoint(checkpoint: Checkpoint) -> None:
    put_store("s", [[1, 2, 3]])
    Checkpoint.objects.update(damage="Its weights are others.")
    checkpoint.refresh_from_db()
    with pytest.raises(CheckpointError, match="cannot be started from"):
        start_fine_tune(owner=None, parent=checkpoint, stage="instruct-sft", store=Store.objects.first())
    assert not Job.objects.exists()


def test_the_page_says_what_is_wrong_and_offers_no_chat(admin_client: Client, checkpoint: Checkpoint) -> None:
    assert "Chat with it" in admin_client.get("/checkpoints/c/").content.decode()
    weights(checkpoint).unlink()
    page = admin_client.get("/checkpoints/c/").content.decode()
    assert "Its weights are missing" in page
    assert "Chat with it" not in page
    assert "Step in here" not in page


def test_administrators_verify_from_the_page_and_nobody_else_does(
    client: Client, admin_client: Client, checkpoint: Checkpoint
) -> None:
    answer = admin_client.post("/checkpoints/c/verify/", follow=True)
    assert "Its weights are whole." in answer.content.decode()
    assert AuditEntry.objects.get(action="verify").actor_name == "admin"
    weights(checkpoint).write_bytes(b"other")
    assert (
        "not those that were published"
        in admin_client.post("/checkpoints/c/verify/", follow=True).content.decode()
    )
    assert client.post("/checkpoints/c/verify/").status_code in {302, 403}
    assert AuditEntry.objects.filter(action="verify").count() == 2
    assert admin_client.get("/checkpoints/c/verify/").status_code == 405
    assert admin_client.post("/checkpoints/none/verify/").status_code == 404
