"""Importing models and attaching their corpora: what commands and pages call."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from django.db import transaction

from accounts.audit import Actor, record_act
from tracing.models import Store
from training.core.checkpoints import StoreRead
from training.core.copying import Progress
from training.core.errors import CheckpointError, ImportRefused
from training.exchange.names import free_folder
from training.models import Checkpoint
from training.registry import register_checkpoint


def import_model(
    *,
    folder: Path,
    name: str,
    by: Actor,
    corpora: Sequence[str] = (),
    progress: Progress | None = None,
) -> Checkpoint:
    """The checkpoint `name`, copied from a Hugging Face model's directory, with the corpora behind it.

    Raises ImportRefused for a directory or corpus that cannot be taken, CheckpointError or RecipeError for a
    name, StoreError where the disk refuses. Then nothing is left of it.
    """
    from training.core.importing.inspection import inspect_model  # torch comes with it
    from training.core.importing.publishing import publish_import

    target = free_folder(name)
    model = inspect_model(folder.resolve())
    stores = readings(corpora, tokenizer=model.tokenizer, checkpoint=name)
    publish_import(model, target, stores, progress)
    try:
        with transaction.atomic():
            checkpoint = register_checkpoint(target)
            note(checkpoint, by, "import a model", corpora)
    except BaseException:
        shutil.rmtree(target, ignore_errors=True)
        raise
    return checkpoint


def attach_corpora(*, checkpoint: Checkpoint, corpora: Sequence[str], by: Actor) -> Checkpoint:
    """Have an imported checkpoint's answers traced to these corpora too. Those that it has are passed over.

    Raises ImportRefused for a corpus that is unknown or of another tokenizer, CheckpointError for a
    checkpoint that was trained here.
    """
    from training.core.importing.publishing import add_stores

    stores = readings(corpora, tokenizer=checkpoint.tokenizer, checkpoint=checkpoint.name)
    if not stores:
        raise CheckpointError("name at least one corpus to attach")
    with transaction.atomic():
        note(checkpoint, by, "attach corpora", corpora)
        add_stores(checkpoint.path, stores)
        return register_checkpoint(checkpoint.path)


def readings(corpora: Sequence[str], *, tokenizer: str, checkpoint: str) -> list[StoreRead]:
    """The corpora as a manifest names them, each once. In which order they were read is not known."""
    return [
        StoreRead(store.name, store.digest, 0)
        for store in (fitting_store(name, tokenizer, checkpoint) for name in dict.fromkeys(corpora))
    ]


def fitting_store(name: str, tokenizer: str, checkpoint: str) -> Store:
    """The corpus of that name, if its ids are those of the model's tokenizer. Raises ImportRefused."""
    store = Store.objects.filter(name=name).first()
    if store is None:
        known = ", ".join(Store.objects.values_list("name", flat=True)[:20]) or "none"
        raise ImportRefused(f"there is no corpus {name!r}, only {known}: import it first (import_corpus)")
    if store.tokenizer != tokenizer:
        raise ImportRefused(
            f"the corpus {name} holds ids of tokenizer {store.tokenizer}, {checkpoint} speaks {tokenizer}: "
            "import its text again with --tokenizer and this model's directory"
        )
    return store


def note(checkpoint: Checkpoint, by: Actor, action: str, corpora: Sequence[str]) -> None:
    record_act(by=by, action=action, object_type="checkpoint", object_id=checkpoint.pk,
               label=checkpoint.name, detail={"corpora": list(corpora)})  # fmt: skip
