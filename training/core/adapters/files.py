"""An adapter's directory: what it holds beside a whole checkpoint's, and where its base lies."""

from pathlib import Path

from training.core.checkpoints import ADAPTER_WEIGHTS, WEIGHTS, CheckpointManifest, read_checkpoint
from training.core.errors import CheckpointError


def is_adapter(folder: Path) -> bool:
    """Whether the checkpoint holds the weights of an adapter alone."""
    return (folder / ADAPTER_WEIGHTS).is_file() and not (folder / WEIGHTS).is_file()


def base_folder(folder: Path) -> Path:
    """The whole checkpoint that the adapter in `folder` goes on, which lies beside it.

    Raises CheckpointError where that is missing, or is not the one that the adapter was trained on: on other
    weights an adapter says nonsense.
    """
    adapter = read_checkpoint(folder)
    base = folder.parent / adapter.base
    if not adapter.base or is_adapter(base):
        raise CheckpointError(f"{folder} names no whole checkpoint as its base: restore or remove it")
    found = read_checkpoint(base)
    if found.digest != adapter.base_digest:
        raise CheckpointError(
            f"{folder.name} was trained on {adapter.base} with weights {adapter.base_digest}; those of "
            f"{base} are {found.digest}: restore that checkpoint"
        )
    return base


def base_of(parent: Path) -> CheckpointManifest:
    """The manifest of the whole checkpoint under `parent`: its own, or its base's if it is an adapter."""
    return read_checkpoint(base_folder(parent) if is_adapter(parent) else parent)
