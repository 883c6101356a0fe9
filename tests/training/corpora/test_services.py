"""Corpora of imported checkpoints: what is attached and detached is traced to at once, what is refused
changes nothing."""

from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from accounts.audit import Actor
from accounts.models import AuditEntry
from tests.training.elsewhere import TEXT, write_corpus
from tracing.core.errors import InputError
from training.core.checkpoints import MANIFEST, read_checkpoint
from training.core.errors import CheckpointError, ImportRefused, TrainingError
from training.corpora.choices import corpora_for
from training.corpora.services import attach_corpora, detach_corpora
from training.models import Checkpoint, TrainedOn
from training.traces import trace_checkpoint

BY = Actor("test")


def traced_to(checkpoint: Checkpoint) -> set[str]:
    """The corpora of the documents that a trace finds."""
    return {document["corpus"] for document in trace_checkpoint(checkpoint, text=TEXT)["documents"]}


def state_of(checkpoint: Checkpoint) -> Any:
    """All that attaching changes."""
    rows = TrainedOn.objects.order_by("pk").values_list("checkpoint__name", "store__name", "seed")
    return (checkpoint.path / MANIFEST).read_bytes(), list(rows), AuditEntry.objects.count()


def test_a_trace_finds_the_documents_of_what_is_attached_at_once(
    guest: Checkpoint, fitting: list[str]
) -> None:
    with pytest.raises(InputError, match="guest was made elsewhere and no corpus is attached"):
        trace_checkpoint(guest, text=TEXT)
    attach_corpora(checkpoint=guest, corpora=fitting[:1], by=BY)
    assert traced_to(guest) == {fitting[0]}
    attach_corpora(checkpoint=guest, corpora=fitting, by=BY)
    assert traced_to(guest) == set(fitting)
    assert [read.name for read in read_checkpoint(guest.path).stores] == fitting
    acts = AuditEntry.objects.filter(action="attach corpora", label="guest").order_by("pk")
    assert [act.detail["corpora"] for act in acts] == [fitting[:1], fitting[1:]]


def test_what_is_detached_is_traced_to_no_longer_and_can_be_attached_again(
    guest: Checkpoint, fitting: list[str]
) -> None:
    attach_corpora(checkpoint=guest, corpora=fitting, by=BY)
    detach_corpora(checkpoint=guest, corpora=fitting[:1], by=BY)
    assert traced_to(guest) == {fitting[1]}
    assert [read.name for read in read_checkpoint(guest.path).stores] == fitting[1:]
    assert [store.name for store in corpora_for(guest)] == fitting[:1]
    entry = AuditEntry.objects.get(action="detach corpora")
    assert (entry.label, entry.detail) == ("guest", {"corpora": fitting[:1]})
    attach_corpora(checkpoint=guest, corpora=fitting[:1], by=BY)
    assert traced_to(guest) == set(fitting)


def test_scores_that_were_measured_since_stay_as_they_are(guest: Checkpoint, fitting: list[str]) -> None:
    Checkpoint.objects.filter(pk=guest.pk).update(scores={"greedy": 0.5})
    attach_corpora(checkpoint=guest, corpora=fitting, by=BY)
    assert Checkpoint.objects.get(pk=guest.pk).scores == {"greedy": 0.5}


@pytest.mark.parametrize(
    ("corpora", "error", "words"),
    [
        (["foreign-part"], ImportRefused, "foreign-part holds ids of tokenizer"),
        (["second-part", "foreign-part"], ImportRefused, "foreign-part holds ids"),
        (["nowhere"], ImportRefused, "no corpus 'nowhere', only first-part, foreign-part, second-part"),
        (["data-0123456789abcdef-sft-x"], ImportRefused, "no corpus 'data-0123456789abcdef-sft-x'"),
        (["first-part"], CheckpointError, "has first-part already"),
        ([], CheckpointError, "name at least one"),
    ],
)
def test_what_cannot_be_attached_is_refused_and_nothing_changes(
    shelf: Path, model_folder: Path, guest: Checkpoint, fitting: list[str], foreign: str, corpora: list[str],
    error: type[TrainingError], words: str,
) -> None:  # fmt: skip
    write_corpus(shelf, model_folder, "data-0123456789abcdef-sft-x")
    attach_corpora(checkpoint=guest, corpora=fitting[:1], by=BY)
    before = state_of(guest)
    with pytest.raises(error, match=words):
        attach_corpora(checkpoint=guest, corpora=corpora, by=BY)
    assert state_of(guest) == before


def test_what_was_trained_here_keeps_the_data_that_it_read(
    guest: Checkpoint, native: Checkpoint, fitting: list[str]
) -> None:
    before = state_of(native)
    for change in (attach_corpora, detach_corpora):
        with pytest.raises(CheckpointError, match="was trained here"):
            change(checkpoint=native, corpora=fitting[:1], by=BY)
    assert state_of(native) == before
    assert corpora_for(native) == []


def test_what_is_not_attached_cannot_be_detached(guest: Checkpoint, fitting: list[str]) -> None:
    attach_corpora(checkpoint=guest, corpora=fitting[:1], by=BY)
    before = state_of(guest)
    for name in (fitting[1], "nowhere"):
        with pytest.raises(ImportRefused, match=f"has no corpus '{name}', only first-part"):
            detach_corpora(checkpoint=guest, corpora=[fitting[0], name], by=BY)
    assert state_of(guest) == before


def test_a_manifest_that_cannot_be_written_leaves_the_rows_as_they_were(
    guest: Checkpoint, fitting: list[str]
) -> None:
    """The file system's own refusal: what is written first is a directory."""
    before = state_of(guest)
    (guest.path / f".{MANIFEST}.partial").mkdir()
    with pytest.raises(CheckpointError, match="cannot be written"):
        attach_corpora(checkpoint=guest, corpora=fitting, by=BY)
    assert state_of(guest) == before


def test_the_form_offers_the_corpora_of_the_tokenizer_that_are_not_attached(
    shelf: Path, model_folder: Path, guest: Checkpoint, fitting: list[str], foreign: str
) -> None:
    write_corpus(shelf, model_folder, "data-0123456789abcdef-sft-x")
    assert [store.name for store in corpora_for(guest)] == fitting
    attach_corpora(checkpoint=guest, corpora=fitting[:1], by=BY)
    assert [store.name for store in corpora_for(guest)] == fitting[1:]


def test_the_command_attaches_and_detaches(guest: Checkpoint, fitting: list[str], capsys: Any) -> None:
    call_command("import_model", name="guest", corpus=fitting, attach=True)
    assert "with first-part, second-part" in capsys.readouterr().out
    call_command("import_model", name="guest", corpus=fitting, detach=True)
    assert "no corpora to trace to" in capsys.readouterr().out
    with pytest.raises(CommandError, match="has no corpus 'first-part', only none"):
        call_command("import_model", name="guest", corpus=fitting, detach=True)
