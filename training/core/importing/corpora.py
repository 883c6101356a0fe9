"""The stores that an imported checkpoint's manifest names. What was trained here read what it read."""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

from tracing.core.building.partial import write_whole
from training.core.checkpoints import IMPORTED, MANIFEST, CheckpointManifest, StoreRead, read_checkpoint
from training.core.errors import CheckpointError


def imported_manifest(folder: Path) -> CheckpointManifest:
    """The manifest of an imported checkpoint. Raises CheckpointError for one that was trained here."""
    manifest = read_checkpoint(folder)
    if manifest.stage != IMPORTED:
        raise CheckpointError(f"{manifest.name} was trained here: what it read is known, and never changed")
    return manifest


def rewrite_stores(folder: Path, stores: Sequence[StoreRead]) -> None:
    """Have the manifest of the imported checkpoint in `folder` name these stores. Raises CheckpointError, and
    leaves it as it was, where the disk refuses."""
    manifest = dataclasses.replace(imported_manifest(folder), stores=tuple(stores))
    text = json.dumps(dataclasses.asdict(manifest), indent=1, sort_keys=True) + "\n"
    try:
        write_whole(folder / MANIFEST, lambda path: path.write_text(text))
    except OSError as error:
        raise CheckpointError(
            f"the manifest of {manifest.name} cannot be written ({error.strerror}) and stays as it was: make "
            "room or correct the permissions, then try again"
        ) from error
