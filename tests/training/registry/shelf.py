"""A data directory with real token stores and checkpoint directories, made without training anything."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.conf import settings

from tests.tracing.support.stores import text_tokenizer, tokenizer_json
from tracing.core.building.writer import StoreWriter
from tracing.core.stores.store import TokenStore
from training.core.bounds import build
from training.core.checkpoints import CheckpointManifest, StoreRead, weights_digest
from training.core.recipe import TrainRecipe
from training.core.recipe_files import recipe_table
from training.models import Checkpoint, Flow, Job
from training.registry import register_checkpoint

RECIPE = {"sequence_length": 32, "batch_size": 3, "seed": 5}


def put_store(
    name: str, documents: Sequence[Sequence[int]], metadata: Sequence[dict[str, Any]] = ()
) -> TokenStore:
    """A published store of these documents, and the tokenizer that made them."""
    kept = settings.HOME / "tokenizers" / "t"
    kept.mkdir(parents=True, exist_ok=True)
    (kept / "tokenizer.json").write_text(tokenizer_json())
    path = settings.HOME / "stores" / name
    described = {"tokenizer": text_tokenizer().digest, "stage": "s", "source": "test", "licence": "CC0-1.0"}
    with StoreWriter(path, name=name, dtype="u16", **described) as writer:
        for number, ids in enumerate(documents):
            writer.add(ids, metadata[number] if metadata else {"id": f"{name}-{number}", "title": "Part"})
        writer.publish()
    return TokenStore.open(path)


def put_checkpoint(
    name: str,
    *,
    stage: str = "think-sft",
    step: int = 9,
    steps: int = 9,
    parents: Sequence[str] = (),
    stores: Sequence[TokenStore] = (),
    job: Job | None = None,
    recipe: dict[str, Any] | None = None,
    **fields: Any,
) -> Checkpoint:
    """A registered checkpoint with a manifest, a configuration and a file in the place of its weights."""
    folder: Path = settings.HOME / "checkpoints" / name
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(f"{name} {step} {recipe}".encode() * 9)
    (folder / "config.json").write_text(json.dumps({"hidden_size": 64, "vocab_size": 400}))
    (folder / "tokenizer.json").write_text(tokenizer_json())
    settled = build(TrainRecipe, {**RECIPE, **(recipe or {})}, "test")
    manifest = CheckpointManifest(
        name=name,
        digest=weights_digest(folder),
        parents=tuple(parents),
        stage=stage,
        step=step,
        steps=steps,
        job=str(job.pk) if job else "",
        config=json.loads(json.dumps(recipe_table(settled))),
        stores=tuple(StoreRead(s.manifest.name, s.manifest.digest, settled.seed) for s in stores),
        tokenizer=text_tokenizer().digest,
        chat=fields.pop("chat", "chatml"),
        thinking=fields.pop("thinking", False),
        code_commit="c0ffee" * 6,
        **fields,
    )
    (folder / "manifest.json").write_text(json.dumps(asdict(manifest)))
    return register_checkpoint(folder, job=job)


def put_job(flow: str, stage: str, position: int = 0) -> Job:
    row, _ = Flow.objects.get_or_create(name=flow, defaults={"recipe": "demo"})
    return Job.objects.create(flow=row, stage=stage, position=position, state="succeeded")
