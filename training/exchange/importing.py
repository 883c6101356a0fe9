"""Importing models: what commands and pages call."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from django.db import transaction

from accounts.audit import Actor
from training.core.copying import Progress
from training.corpora.services import readings, record
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
            record(checkpoint, by, "import a model", corpora)
    except BaseException:
        shutil.rmtree(target, ignore_errors=True)
        raise
    return checkpoint
