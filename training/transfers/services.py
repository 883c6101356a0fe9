"""What pages ask for: a model taken in, given out or merged, by a worker."""

import shutil
from collections.abc import Sequence
from typing import Any

from django.db import transaction

from accounts.audit import Actor, record_act
from tracing.models import Store
from training.core.errors import CheckpointError, ExportRefused, ImportRefused
from training.exchange.names import free_folder
from training.models import Checkpoint
from training.transfers.folders import offered_folder
from training.transfers.models import Transfer, TransferKind
from training.transfers.work import enqueue
from training.verification import check_usable

PRECISIONS = ("f32", "f16")
CORPORA_MAX = 100


def ask_import(*, folder: str, name: str, corpora: Sequence[str], by: Actor) -> Transfer:
    """Have a model that lies in imports/ copied into a checkpoint. Raises TrainingError for what is known to
    be wrong now; the model itself is looked at by the worker."""
    offered_folder(folder)
    free_folder(name)
    if len(corpora) > CORPORA_MAX:
        raise ImportRefused(f"{len(corpora)} corpora are named: {CORPORA_MAX} at most")
    known = set(Store.objects.filter(name__in=corpora).values_list("name", flat=True))
    if unknown := [each for each in corpora if each not in known]:
        raise ImportRefused(f"there is no corpus {unknown[0][:100]!r}: import it first (import_corpus)")
    return ask(by, kind=TransferKind.IMPORT, name=name, folder=folder, corpora=list(corpora))


def ask_export(*, checkpoint: Checkpoint, gguf: str = "", by: Actor) -> Transfer:
    """Have a checkpoint written as a directory for transformers, with its card, and as a GGUF file where that
    is asked for. Raises TrainingError."""
    check_usable(checkpoint)
    if gguf:
        check_gguf(checkpoint, gguf)
    return ask(by, kind=TransferKind.EXPORT, name=checkpoint.name, checkpoint=checkpoint, gguf=gguf)


def ask_merge(*, checkpoint: Checkpoint, name: str = "", by: Actor) -> Transfer:
    """Have an adapter and its base made into a whole checkpoint. Raises TrainingError."""
    if checkpoint.base is None:
        raise CheckpointError(f"{checkpoint} is a whole checkpoint: there is nothing to merge")
    check_usable(checkpoint)
    check_usable(checkpoint.base)
    name = name or f"{checkpoint.name}-merged"
    free_folder(name)
    return ask(by, kind=TransferKind.MERGE, name=name, checkpoint=checkpoint)


def ask(by: Actor, **fields: Any) -> Transfer:
    """Queued; what is queued already is not asked for twice."""
    with transaction.atomic():
        if same := Transfer.objects.unfinished().filter(**fields).first():
            return same
        transfer = Transfer.objects.create(owner=by.user, **fields)
        record_act(
            by=by,
            action=f"ask for {transfer.kind}",
            object_type="transfer",
            object_id=transfer.pk,
            label=transfer.name,
            detail={name: fields[name] for name in ("folder", "gguf") if fields.get(name)},
        )
        enqueue(transfer)
    return transfer


def check_gguf(checkpoint: Checkpoint, precision: str) -> None:
    """Raises ExportRefused for a precision that there is not, or a model that no GGUF file is written of."""
    from training.core.exporting.gguf_settings import check_settings, read_config

    if precision not in PRECISIONS:
        raise ExportRefused(f"a GGUF file is written in {' or '.join(PRECISIONS)}, not {precision[:20]!r}")
    try:
        check_settings(read_config(checkpoint.host.path))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ExportRefused(f"the configuration of {checkpoint} cannot be read: {error}") from error


def takes_gguf(checkpoint: Checkpoint) -> bool:
    """Whether a GGUF file can be written of it, as far as its configuration says."""
    try:
        check_gguf(checkpoint, PRECISIONS[0])
    except ExportRefused:
        return False
    return True


def delete_export(*, transfer: Transfer, by: Actor) -> None:
    """Remove the files of an export, and its row. Raises ExportRefused for one that is at work."""
    if transfer.kind != TransferKind.EXPORT or transfer.at_work:
        raise ExportRefused(f"{transfer} is {transfer.get_state_display()}: only an export that ended can go")
    with transaction.atomic():
        record_act(
            by=by,
            action="delete an export",
            object_type="transfer",
            object_id=transfer.pk,
            label=transfer.name,
        )
        directory = transfer.directory
        transfer.delete()
    shutil.rmtree(directory, ignore_errors=True)
