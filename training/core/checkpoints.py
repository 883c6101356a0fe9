"""Checkpoints as directories that Hugging Face, vLLM and we can open, published whole or not at all."""

import datetime
import hashlib
import json
import subprocess
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from tracing.core.building.partial import PartialDirectory
from training.core.errors import CheckpointError
from training.core.tokenizer import write_template

FORMAT = "headwater-checkpoint-1"
MANIFEST = "manifest.json"
WEIGHTS = "model.safetensors"
ADAPTER_WEIGHTS = "adapter_model.safetensors"
IMPORTED = "imported"
"""The stage of a checkpoint that was made elsewhere: nothing is known of the order of its data."""


@dataclass(frozen=True)
class StoreRead:
    """A token store that a checkpoint was trained on. With the stage's settings in `config`, `seed` gives the
    order of its documents (`training.core.order`)."""

    name: str
    digest: str
    seed: int
    share: float = 1.0
    """Part of the sequences that are this store's, where two are read together (`training.core.mixture`)."""
    place: int = 0
    """0 for the first store of a mixture, 1 for the second."""


@dataclass(frozen=True)
class Averaged:
    """A checkpoint whose weights went into an average. `seed` is of its run's data order, `step` how far it
    had come."""

    name: str
    digest: str
    seed: int
    step: int


@dataclass(frozen=True)
class CheckpointManifest:
    """manifest.json of a checkpoint."""

    name: str
    digest: str
    """Of the weights: "sha256:<hex>", as `weights_digest` makes it."""
    parents: tuple[str, ...]
    """Names of the checkpoints that its stage started from."""
    stage: str
    step: int
    steps: int
    """Of the whole stage."""
    job: str
    config: Mapping[str, Any]
    """The stage's recipe."""
    stores: tuple[StoreRead, ...]
    tokenizer: str
    """Digest of tokenizer.json."""
    chat: str
    thinking: bool
    metrics: Mapping[str, float] = field(default_factory=dict)
    scores: Mapping[str, float] = field(default_factory=dict)
    actor: str = ""
    """Of reinforcement learning: what sampled the answers in the run that published it."""
    cost: Mapping[str, float] = field(default_factory=dict)
    """What its own stage has cost up to this step: the fields of `training.core.cost.Cost`."""
    lineage_cost: Mapping[str, float] = field(default_factory=dict)
    """The same of its stage and all that it descends from, no run counted twice."""
    base: str = ""
    """Of an adapter: the whole checkpoint that it goes on."""
    base_digest: str = ""
    """Digest of the base's weights."""
    averaged: tuple[Averaged, ...] = ()
    """The checkpoints that its weights are the mean of; it was not trained itself, and reads no store."""
    functions: bool = False
    """Whether its chat template has a place for functions."""
    part_of: str = ""
    """The checkpoint that its run was made for; it is not its stage's own result then."""
    format: str = FORMAT
    code_commit: str = ""
    created: str = ""


def publish_checkpoint(
    model: Any,
    tokenizer: Path,
    target: Path,
    manifest: CheckpointManifest,
    *,
    weights: Mapping[str, Any] | None = None,
) -> CheckpointManifest:
    """Write model, tokenizer, chat template and manifest to a partial directory and rename it to `target`;
    with these `weights` where the model's own lie in several processes.

    The manifest's digest, code commit and date are filled in. Raises tracing's StoreError where the disk
    refuses."""
    partial = PartialDirectory(target)
    with partial.guard("publishing the checkpoint"):
        _write_model(model, partial.path, weights)
        if manifest.base:
            _name_base(partial.path, manifest.base)
        _write_tokenizer(tokenizer, partial.path, manifest, model.config.max_position_embeddings)
        fields = asdict(manifest) | {
            "digest": weights_digest(partial.path),
            "code_commit": code_commit(),
            "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        }
        (partial.path / MANIFEST).write_text(json.dumps(fields, indent=1, sort_keys=True) + "\n")
        partial.publish()
    return read_checkpoint(target)


def read_checkpoint(folder: Path) -> CheckpointManifest:
    """The manifest of the checkpoint in `folder`. Raises CheckpointError."""
    try:
        fields = json.loads((folder / MANIFEST).read_text("utf-8"))
        if fields["format"] != FORMAT:
            raise ValueError(f"format {fields['format']!r} is not {FORMAT!r}")
        stores = tuple(StoreRead(**store) for store in fields.pop("stores"))
        averaged = tuple(Averaged(**one) for one in fields.pop("averaged", ()))
        lists = {"stores": stores, "averaged": averaged, "parents": tuple(fields["parents"])}
        return CheckpointManifest(**fields | lists)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"no usable checkpoint at {folder}: {MANIFEST}: {error}") from error


def weight_files(folder: Path) -> list[Path]:
    """The files that hold the weights: one, its shards, or an adapter's. Empty where there are none."""
    return sorted(folder.glob("*.safetensors"))


def weights_digest(folder: Path) -> str:
    """Digest of the weights: of the file, or where there are several of the list of their names and digests.

    Raises CheckpointError where there is no such file, or one cannot be read."""
    files = weight_files(folder)
    if not files:
        raise CheckpointError(f"{folder} holds no weights (*.safetensors): restore or remove the checkpoint")
    try:
        digests = [file_digest(path) for path in files]
    except OSError as error:
        raise CheckpointError(f"the weights in {folder} cannot be read: {error}") from error
    if len(files) == 1:
        return digests[0]
    listed = "".join(f"{path.name} {digest}\n" for path, digest in zip(files, digests, strict=True))
    return "sha256:" + hashlib.sha256(listed.encode()).hexdigest()


def check_weights(folder: Path, manifest: CheckpointManifest) -> None:
    """Raises CheckpointError unless the weights in `folder` are those that the manifest names."""
    found = weights_digest(folder)
    if found != manifest.digest:
        raise CheckpointError(
            f"the weights in {folder} are not those that were published: their digest is {found}, the "
            f"manifest says {manifest.digest}; restore the files or remove the checkpoint"
        )


def file_digest(path: Path) -> str:
    with path.open("rb") as file:
        return "sha256:" + hashlib.file_digest(file, "sha256").hexdigest()


def code_commit() -> str:
    """The commit of this code, or "" where it is not a git checkout."""
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""


def _write_model(model: Any, folder: Path, weights: Mapping[str, Any] | None) -> None:
    try:
        model.save_pretrained(folder, state_dict=weights)
        model.config.save_pretrained(folder)  # with an adapter, only that is written by the line above
        model.generation_config.save_pretrained(folder)
    except SafetensorError as error:  # its name for whatever the disk says
        raise OSError(str(error)) from error


def _name_base(folder: Path, base: str) -> None:
    """In adapter_config.json: the base by its checkpoint's name, wherever it lies."""
    path = folder / "adapter_config.json"
    config = json.loads(path.read_text()) | {"base_model_name_or_path": base}
    path.write_text(json.dumps(config, indent=2, sort_keys=True))


def _write_tokenizer(source: Path, folder: Path, manifest: CheckpointManifest, context: int) -> None:
    """The very bytes of tokenizer.json, since its digest ties checkpoint and token stores together."""
    (folder / "tokenizer.json").write_bytes((source / "tokenizer.json").read_bytes())
    write_template(folder, chat=manifest.chat, functions=manifest.functions, context=context)
