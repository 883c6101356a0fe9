"""Checkpoints and stores on disk become rows. Their manifests are the truth; a row only finds them."""

import json
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction

from tracing.models import Store
from tracing.services import register_store
from training.models import Checkpoint, Job, TrainedOn


class RegistryError(Exception):
    """A checkpoint on disk that cannot be registered."""


def register_job_store(path: str) -> Store:
    return register_store(Path(path))


@transaction.atomic
def register_checkpoint(path: Path | str, *, job: Job | None = None, final: bool = False) -> Checkpoint:
    """The row of the checkpoint published at `path`, made or brought up to date, with its parents and stores.

    Parents and stores that are on disk but not yet registered are registered too. Raises RegistryError
    where one is missing or the manifest cannot be read, StoreError for a bad store.
    """
    path = Path(path)
    manifest = read_manifest(path)
    fields = {name: manifest[name] for name in ("stage", "step", "digest", "chat", "thinking")}
    fields |= {name: manifest.get(name) or {} for name in ("scores", "metrics")}
    fields |= {"steps": manifest["steps"], "tokenizer": manifest["tokenizer"], "final": final}
    if job is not None:
        fields["job"] = job
    checkpoint, _ = Checkpoint.objects.update_or_create(name=path.name, defaults=fields)
    checkpoint.parents.set([parent_named(name) for name in manifest["parents"]])
    for read in manifest["stores"]:
        TrainedOn.objects.update_or_create(
            checkpoint=checkpoint, store=store_named(read["name"]), defaults={"seed": read["seed"]}
        )
    return checkpoint


def read_manifest(path: Path) -> dict[str, Any]:
    """manifest.json of the checkpoint in `path`. Raises RegistryError."""
    try:
        manifest = json.loads((path / "manifest.json").read_bytes())
    except (OSError, ValueError) as error:
        raise RegistryError(
            f"No checkpoint at {path}: its manifest.json cannot be read ({error})."
        ) from error
    if not isinstance(manifest, dict):
        raise RegistryError(f"{path / 'manifest.json'} is not a checkpoint's manifest.")
    return manifest


def parent_named(name: str) -> Checkpoint:
    known = Checkpoint.objects.filter(name=name).first()
    return known or register_checkpoint(settings.HOME / "checkpoints" / name, final=True)


def store_named(name: str) -> Store:
    known = Store.objects.filter(name=name).first()
    return known or register_store(settings.HOME / "stores" / name)
