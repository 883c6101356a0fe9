"""Attaching corpora to imported checkpoints, and detaching them: what the command and the page call."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from django.db import transaction

from accounts.audit import Actor, record_act
from tracing.models import Store
from training.core.checkpoints import StoreRead
from training.core.errors import CheckpointError, ImportRefused
from training.core.importing.corpora import imported_manifest, rewrite_stores
from training.corpora.choices import corpora as all_corpora
from training.models import Checkpoint, TrainedOn

NAMES_SHOWN = 20
NAME_CHARACTERS_SHOWN = 100


def attach_corpora(*, checkpoint: Checkpoint, corpora: Sequence[str], by: Actor) -> Checkpoint:
    """Have an imported checkpoint's answers traced to these corpora too. Those that it has are passed over.

    Raises ImportRefused for a corpus that is unknown or of another tokenizer, CheckpointError for a
    checkpoint that was trained here, or where it has all of them already. Then nothing has changed.
    """
    with reads_of(checkpoint, corpora) as had:
        named = readings(corpora, tokenizer=checkpoint.tokenizer, checkpoint=checkpoint.name)
        added = [read for read in named if read.name not in had]
        if not added:
            raise CheckpointError(f"{checkpoint} has {', '.join(corpora)} already: choose another corpus")
        record(checkpoint, by, "attach corpora", [read.name for read in added])
        for store in Store.objects.filter(name__in=[read.name for read in added]):
            TrainedOn.objects.get_or_create(checkpoint=checkpoint, store=store, defaults={"seed": 0})
        rewrite_stores(checkpoint.path, [*had.values(), *added])
    return checkpoint


def detach_corpora(*, checkpoint: Checkpoint, corpora: Sequence[str], by: Actor) -> Checkpoint:
    """Have an imported checkpoint's answers traced to these corpora no longer. The corpora themselves stay.

    Raises ImportRefused for one that is not attached, CheckpointError for a checkpoint that was trained here.
    Then nothing has changed.
    """
    with reads_of(checkpoint, corpora) as had:
        for name in corpora:
            if name not in had:
                raise ImportRefused(f"{checkpoint} has no corpus {shown(name)}, only {listed(had)}")
        record(checkpoint, by, "detach corpora", list(dict.fromkeys(corpora)))
        TrainedOn.objects.filter(checkpoint=checkpoint, store__name__in=corpora).delete()
        rewrite_stores(checkpoint.path, [read for name, read in had.items() if name not in corpora])
    return checkpoint


@contextmanager
def reads_of(checkpoint: Checkpoint, corpora: Sequence[str]) -> Iterator[dict[str, StoreRead]]:
    """What an imported checkpoint's manifest names, by name, in a transaction that nobody else changes it in.
    The manifest is to be written last, since only rows are taken back."""
    if not corpora:
        raise CheckpointError("name at least one corpus (--corpus)")
    with transaction.atomic():
        Checkpoint.objects.select_for_update().get(pk=checkpoint.pk)
        yield {read.name: read for read in imported_manifest(checkpoint.path).stores}


def readings(corpora: Sequence[str], *, tokenizer: str, checkpoint: str) -> list[StoreRead]:
    """The corpora as a manifest names them, each once. In which order they were read is not known."""
    return [
        StoreRead(store.name, store.digest, 0)
        for store in (fitting_store(name, tokenizer, checkpoint) for name in dict.fromkeys(corpora))
    ]


def fitting_store(name: str, tokenizer: str, checkpoint: str) -> Store:
    """The corpus of that name, if its ids are those of the model's tokenizer. Raises ImportRefused."""
    store = all_corpora().filter(name=name).first()
    if store is None:
        known = listed(all_corpora().values_list("name", flat=True)[:NAMES_SHOWN])
        raise ImportRefused(
            f"there is no corpus {shown(name)}, only {known}: import it first (import_corpus)"
        )
    if store.tokenizer != tokenizer:
        raise ImportRefused(
            f"the corpus {name} holds ids of tokenizer {store.tokenizer}, {checkpoint} speaks {tokenizer}: "
            "import its text again with --tokenizer and this model's directory"
        )
    return store


def listed(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"


def shown(name: str) -> str:
    return repr(name[:NAME_CHARACTERS_SHOWN])


def record(checkpoint: Checkpoint, by: Actor, action: str, corpora: Sequence[str]) -> None:
    record_act(by=by, action=action, object_type="checkpoint", object_id=checkpoint.pk,
               label=checkpoint.name, detail={"corpora": list(corpora)})  # fmt: skip
