"""Merging adapters: what the command and the registry's page call."""

from django.db import transaction

from accounts.audit import Actor, record_act
from training.core.errors import CheckpointError
from training.exchange.names import free_folder
from training.models import Checkpoint
from training.registry import register_checkpoint


def merge_adapter(*, checkpoint: Checkpoint, by: Actor, name: str | None = None) -> Checkpoint:
    """A whole checkpoint of an adapter and its base, by default called as the adapter is, with `-merged`.

    Takes as long as reading and writing the base's weights. Raises CheckpointError where the checkpoint is no
    adapter, or the name is taken; StoreError where the disk refuses.
    """
    from training.core.adapters.merging import merge_checkpoint  # torch comes with it

    if checkpoint.base is None:
        raise CheckpointError(f"{checkpoint} is a whole checkpoint: there is nothing to merge")
    target = free_folder(name or f"{checkpoint.name}-merged")
    merge_checkpoint(checkpoint.path, target)
    with transaction.atomic():
        merged = register_checkpoint(target)
        record_act(by=by, action="merge an adapter", object_type="checkpoint", object_id=merged.pk,
                   label=merged.name, detail={"adapter": checkpoint.name})  # fmt: skip
    return merged
