"""Many small stores behind a model are packed in the background, and nothing in a trace tells."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from tests.tracing.support.stores import write_store
from tracing import packs
from tracing.cache import Cache
from tracing.core.stores.pack import PACK_STORES
from tracing.models import Store
from tracing.packs import packs_on_disk
from tracing.services import open_tokenizer, register_store
from training.models import Checkpoint, TrainedOn
from training.packing import pack_lineages
from training.traces import trace_checkpoint, tracer_for

pytestmark = pytest.mark.django_db
WORDS = "Every fine-tune adds a few rows of its own to what the model was trained on."


@pytest.fixture(autouse=True)
def no_packs_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither on disk nor open in this process."""
    shutil.rmtree(settings.HOME / "packs", ignore_errors=True)
    monkeypatch.setattr(packs, "_packs", Cache(size=64))


@pytest.fixture
def tuned(instruct: Checkpoint) -> Checkpoint:
    """A model with eight small stores more than its flow gave it."""
    tokenizer = open_tokenizer(instruct.path)
    for number in range(PACK_STORES):
        path = settings.HOME / "stores" / f"rows-{number}"
        ids = tokenizer.encode(f"{number}. {WORDS}")[0]
        described = {"tokenizer": tokenizer.digest, "stage": "extra-sft"}
        if not path.exists():
            write_store(path, [ids, ids[:5]], **described)
        TrainedOn.objects.create(checkpoint=instruct, store=register_store(path), seed=0)
    return instruct


def trace_words(checkpoint: Checkpoint) -> dict[str, Any]:
    """Without documents: no step of a stage has really read these stores."""
    return trace_checkpoint(checkpoint, text=WORDS, max_documents=0)


def test_a_packed_model_gives_the_same_trace_from_fewer_indexes(tuned: Checkpoint) -> None:
    apart, rows = trace_words(tuned), len(tracer_for(tuned).corpus().rows)
    assert pack_lineages() == 1
    together = trace_words(tuned)
    assert len(tracer_for(tuned).corpus().rows) == rows - PACK_STORES + 1
    assert apart["spans"][0]["stages"]["extra-sft"] == PACK_STORES
    assert together["spans"] == apart["spans"]
    assert together["indexes"] == apart["indexes"]
    assert pack_lineages() == 0


def test_a_damaged_pack_is_left_aside(tuned: Checkpoint, caplog: pytest.LogCaptureFixture) -> None:
    pack_lineages()
    [path] = packs_on_disk()
    damage(path / "table.0")
    assert trace_words(tuned)["spans"][0]["stages"]["extra-sft"] == PACK_STORES
    assert "is not used" in caplog.text


def test_packs_of_stores_that_are_gone_are_removed(tuned: Checkpoint) -> None:
    pack_lineages()
    assert len(packs_on_disk()) == 1
    TrainedOn.objects.filter(store__name="rows-0").delete()
    Store.objects.filter(name="rows-0").delete()
    pack_lineages()
    assert packs_on_disk() == []


def damage(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[0] ^= 0xFF
    path.write_bytes(content)
