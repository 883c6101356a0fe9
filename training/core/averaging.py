"""Checkpoints whose weights are averaged: several runs of midtraining, the last checkpoints of long context.

Each run is trained and published under a name of its own (NAME-midtrain-run1), so that its data order is on
record; the average is the stage's result, has the runs' checkpoints as parents and reads no store itself.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from training.core.checkpoints import Averaged, CheckpointManifest, read_checkpoint, weight_files
from training.core.errors import CheckpointError
from training.core.events import Events
from training.core.job import Job
from training.core.model import load_model
from training.core.publishing import Publisher
from training.core.stage import Stage


class RunEvents(Events):
    """Events of run `number`, from 1, of `runs` of `steps` steps each, told as those of one long stage."""

    def __init__(self, whole: Events, *, number: int, runs: int, steps: int) -> None:
        self.path = whole.path
        self._whole, self._before, self._total = whole, (number - 1) * steps, runs * steps

    def write(self, kind: str, **fields: Any) -> None:
        if kind == "metric":
            tokens = fields["tokens"] // fields["step"]
            fields["step"] += self._before
            fields["tokens"] = tokens * fields["step"]
        self._whole.write(kind, **fields)

    def progress(self, phase: str, done: float, total: float, unit: str, eta_s: float | None = None) -> None:
        done += self._before
        if eta_s is not None and total > done - self._before:
            eta_s *= (self._total - done) / (total - (done - self._before))
        self._whole.progress(phase, done, self._total, unit, eta_s)


def run_job(job: Job, number: int, *, runs: int, steps: int, name: str = "") -> Job:
    """The job as run `number`, from 1: with a directory for its saved state, and checkpoints called by `name`
    (by default "run1", ...)."""
    events = RunEvents(job.events, number=number, runs=runs, steps=steps)
    return job.as_run(name or f"run{number}", events)


def member(folder: Path) -> Averaged:
    """The checkpoint in `folder` as an average's manifest names it. Raises CheckpointError."""
    manifest = read_checkpoint(folder)
    return Averaged(manifest.name, manifest.digest, seed_of(manifest), manifest.step)


def seed_of(manifest: CheckpointManifest) -> int:
    return int(manifest.config["seed"])


def publish_average(stage: Stage, steps: int, metrics: dict[str, float]) -> None:
    """Evaluate and publish the stage's model, an average, as the result of the stage; or say that it is
    published already. Raises CheckpointError where something else has its name."""
    publisher = Publisher(stage, steps)
    publisher.announce_earlier()
    if not publisher.is_published(steps):
        publisher.publish(steps, metrics)


def load_average(folders: Sequence[Path]) -> Any:
    """The model whose every weight is the mean of the checkpoints' own, in fp32. Raises CheckpointError."""
    model = load_model(folders[0])
    missing, unknown = model.load_state_dict(average_weights(folders), strict=False)
    tied = set(model._tied_weights_keys or ()) if model.config.tie_word_embeddings else set()
    if unknown or set(missing) - tied:
        raise CheckpointError(
            f"{folders[0]}: its weights are not those of its configuration: {unknown}{missing}"
        )
    return model


def average_weights(folders: Sequence[Path]) -> dict[str, torch.Tensor]:
    """Name -> mean over the checkpoints, summed in fp32 and given in the tensor's own type; one tensor of one
    checkpoint is in memory at a time. Raises CheckpointError where names or shapes differ."""
    names = [tensor_names(folder) for folder in folders]
    if any(one.keys() != names[0].keys() for one in names):
        raise CheckpointError(f"the weights of {', '.join(map(str, folders))} have different names")
    return {name: mean_of(name, [one[name] for one in names]) for name in names[0]}


def mean_of(name: str, files: Sequence[Path]) -> torch.Tensor:
    total: torch.Tensor | None = None
    for file in files:
        tensor = read_tensor(file, name)
        if total is None:
            total, kind = tensor.to(torch.float32, copy=True), tensor.dtype
        elif total.shape != tensor.shape:
            raise CheckpointError(
                f"{name} has shape {tuple(tensor.shape)} in {file}: {tuple(total.shape)} before"
            )
        else:
            total += tensor.float()
    assert total is not None
    return (total / len(files)).to(kind)


def tensor_names(folder: Path) -> dict[str, Path]:
    """Name -> the file of the checkpoint that holds the tensor."""
    files = weight_files(folder)
    if not files:
        raise CheckpointError(f"{folder} has no *.safetensors: restore the checkpoint")
    return {name: file for file in files for name in read_names(file)}


def read_names(file: Path) -> list[str]:
    try:
        with safe_open(file, "pt") as opened:
            return list(opened.keys())
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{file} cannot be read: {error}") from error


def read_tensor(file: Path, name: str) -> torch.Tensor:
    with safe_open(file, "pt") as opened:
        tensor: torch.Tensor = opened.get_tensor(name)
    return tensor
