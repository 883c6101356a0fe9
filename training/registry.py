"""Checkpoints and stores on disk become rows. Their manifests are the truth; a row only finds them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction

from tracing.models import Store
from tracing.services import register_store
from training.core.checkpoints import CheckpointManifest, read_checkpoint
from training.models import Checkpoint, Job, TrainedOn


@transaction.atomic
def register_checkpoint(
    path: Path, *, job: Job | None = None, scores: Mapping[str, Any] | None = None
) -> Checkpoint:
    """The row of the checkpoint published at `path`, made or brought up to date, with its parents and stores.

    Parents and stores that are on disk but not yet registered are registered too. `scores` that were
    measured after publishing come on top of the manifest's. Raises CheckpointError or StoreError for what
    is not there.
    """
    manifest = read_checkpoint(path)
    fields = fields_of(manifest, scores or {})
    fields["base"] = checkpoint_named(manifest.base) if manifest.base else None
    if job is not None:
        fields["job"] = job
    checkpoint, _ = Checkpoint.objects.update_or_create(name=path.name, defaults=fields)
    checkpoint.parents.set([checkpoint_named(name) for name in manifest.parents])
    for read in manifest.stores:
        TrainedOn.objects.update_or_create(
            checkpoint=checkpoint, store=store_named(read.name), defaults={"seed": read.seed}
        )
    return checkpoint


def fields_of(manifest: CheckpointManifest, scores: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "stage": manifest.stage,
        "step": manifest.step,
        "steps": manifest.steps,
        "final": manifest.step == manifest.steps and not manifest.part_of,
        "digest": manifest.digest,
        "tokenizer": manifest.tokenizer,
        "chat": manifest.chat,
        "thinking": manifest.thinking,
        "metrics": dict(manifest.metrics),
        "scores": {**manifest.scores, **scores},
        "config": dict(manifest.config),
        "code_commit": manifest.code_commit,
        "cost": dict(manifest.cost),
        "lineage_cost": dict(manifest.lineage_cost),
    }


def checkpoint_named(name: str) -> Checkpoint:
    known = Checkpoint.objects.filter(name=name).first()
    return known or register_checkpoint(settings.HOME / "checkpoints" / name)


def store_named(name: str) -> Store:
    known = Store.objects.filter(name=name).first()
    return known or register_store(settings.HOME / "stores" / name)
