"""A model from elsewhere becomes a checkpoint: copied whole, or not at all."""

import dataclasses
import datetime
import json
import shutil
from collections.abc import Sequence
from pathlib import Path

from tracing.core.building.partial import PartialDirectory
from training.core.checkpoints import (
    IMPORTED,
    MANIFEST,
    CheckpointManifest,
    StoreRead,
    read_checkpoint,
    weights_digest,
)
from training.core.copying import Progress, copy_files
from training.core.errors import ImportRefused
from training.core.importing.inspection import TEMPLATE, ModelFolder

ROOM = 1.05  # of the files' size: what has to be free


def publish_import(
    model: ModelFolder, target: Path, stores: Sequence[StoreRead], progress: Progress | None = None
) -> CheckpointManifest:
    """Copy the model to `target` with a manifest of its own. `progress` is told of bytes done and all.

    Raises ImportRefused where there is no room, tracing's StoreError where the disk refuses.
    """
    partial = PartialDirectory(target)
    try:
        check_room(model, partial.path)
        with partial.guard("importing the model"):
            copy_files((model.folder / name for name in model.files), partial.path, progress)
            (partial.path / TEMPLATE).write_text(model.template)
            fields = dataclasses.asdict(describe(model, target.name, weights_digest(partial.path), stores))
            (partial.path / MANIFEST).write_text(json.dumps(fields, indent=1, sort_keys=True) + "\n")
            partial.publish()
    except BaseException:
        partial.remove()
        raise
    return read_checkpoint(target)


def check_room(model: ModelFolder, folder: Path) -> None:
    free, needed = shutil.disk_usage(folder).free, int(model.size_bytes * ROOM)
    if free < needed:
        raise ImportRefused(f"the model needs {needed:,} bytes and {free:,} are free: make room first")


def describe(model: ModelFolder, name: str, digest: str, stores: Sequence[StoreRead]) -> CheckpointManifest:
    return CheckpointManifest(
        name=name,
        digest=digest,
        parents=(),
        stage=IMPORTED,
        step=0,
        steps=0,
        job="",
        config={"imported": {"folder": model.folder.name}},
        stores=tuple(stores),
        tokenizer=model.tokenizer,
        chat=model.chat,
        thinking=model.thinking,
        functions=model.functions,
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    )
