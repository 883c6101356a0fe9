"""Merging on request: a whole checkpoint that answers as the adapter on its base does."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from django.core.management import CommandError, call_command
from peft import PeftModel

from accounts.audit import Actor
from training.core.adapters.adapted import adapter_state
from training.core.adapters.start import load_start
from training.core.bounds import build
from training.core.checkpoints import CheckpointManifest, publish_checkpoint, read_checkpoint
from training.core.errors import CheckpointError
from training.core.model import load_model
from training.core.recipe import ThinkSftRecipe
from training.exchange.merging import merge_adapter
from training.lineage import lineage_stores
from training.models import Checkpoint
from training.registry import register_checkpoint

BY = Actor("test")


@pytest.fixture
def adapter(home: Path, instruct: Checkpoint) -> Iterator[Checkpoint]:
    """An adapter on the trained flow's last checkpoint, as a stage publishes one."""
    model = load_start(instruct.path, build(ThinkSftRecipe, {"adapter": {"rank": 4}}, "think-sft"))
    torch.manual_seed(2)
    for weight in adapter_state(model).values():
        weight.normal_(0, 0.1)
    parent, folder = read_checkpoint(instruct.path), home / "checkpoints" / "small-adapter"
    manifest = CheckpointManifest(
        name=folder.name, digest="", parents=(parent.name,), stage="instruct-sft", step=2, steps=2, job="",
        config={}, stores=(), tokenizer=parent.tokenizer, chat=parent.chat, thinking=False,
        scores={"greedy": 0.5}, base=parent.name, base_digest=parent.digest,
    )  # fmt: skip
    publish_checkpoint(model, instruct.path, folder, manifest)
    yield register_checkpoint(folder)
    for path in (home / "checkpoints").glob("small-*"):
        shutil.rmtree(path)


def log_probabilities(model: Any) -> torch.Tensor:
    with torch.no_grad():
        return model.eval()(torch.arange(5, 105)[None]).logits.log_softmax(-1)


def test_a_merged_checkpoint_answers_as_base_and_adapter_do(adapter: Checkpoint) -> None:
    assert adapter.base is not None
    merged = merge_adapter(checkpoint=adapter, by=BY, name="small-whole")
    together = PeftModel.from_pretrained(load_model(adapter.base.path), adapter.path)
    torch.testing.assert_close(
        log_probabilities(load_model(merged.path)), log_probabilities(together), atol=1e-5, rtol=1e-5
    )
    assert merged.base is None
    assert [parent.name for parent in merged.parents.all()] == [adapter.name]
    assert lineage_stores(merged) == lineage_stores(adapter.base)
    assert merged.scores == {"greedy": 0.5}
    template = "chat_template.jinja"
    assert (merged.path / template).read_text() == (adapter.path / template).read_text()


def test_a_whole_checkpoint_has_nothing_to_merge(adapter: Checkpoint) -> None:
    assert adapter.base is not None
    with pytest.raises(CheckpointError, match="nothing to merge"):
        merge_adapter(checkpoint=adapter.base, by=BY)


def test_the_command_merges_once(adapter: Checkpoint, capsys: Any) -> None:
    call_command("merge_adapter", adapter.name)
    assert "small-adapter-merged" in capsys.readouterr().out
    with pytest.raises(CommandError, match="already"):
        call_command("merge_adapter", adapter.name)
    with pytest.raises(CommandError):
        call_command("merge_adapter", "nobody")


def test_the_base_of_an_adapter_cannot_be_deleted_under_it(adapter: Checkpoint) -> None:
    from django.db.models import RestrictedError

    assert adapter.base is not None
    with pytest.raises(RestrictedError):
        adapter.base.delete()
