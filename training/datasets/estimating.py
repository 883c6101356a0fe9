"""What a fine-tune over a data set would take, by the checkpoint that it starts from."""

import json
import struct
from math import prod
from pathlib import Path

from django.conf import settings

from tracing.core.stores.store import TokenStore
from training.core.datasets.estimates import TRAINING_FLOPS, Estimate, ModelSize, Work, estimate
from training.core.datasets.measures import Truncation, truncation
from training.core.datasets.rows import PREFERENCE
from training.core.errors import DatasetError
from training.datasets.models import Dataset
from training.fine_tuning.defaults import batch_for, context_of, model_config, sequence_for
from training.models import Checkpoint

HEADER_BYTES_MAX = 100 * 2**20
JOBS_LOOKED_AT = 20
SECONDS_MIN = 1.0
"""Of training, for a job's speed to say something."""


def estimate_dataset(
    *,
    dataset: Dataset,
    checkpoint: Checkpoint,
    sequence_length: int | None = None,
    batch_size: int | None = None,
    epochs: float | None = None,
) -> tuple[Work, Truncation, Estimate]:
    """What is to be done, what the sequence length cuts off, and what it takes. What is not given is as a
    fine-tune would choose it. Raises DatasetError where the data set was not counted in this checkpoint's
    tokens yet, StoreError where its store cannot be read."""
    measured = dataset.report.get("measures", {}).get(checkpoint.name, {})
    if "store" not in measured:
        raise DatasetError(
            f"{dataset.name} was not counted in the tokens of {checkpoint} yet: ask for that first"
        )
    with TokenStore.open(settings.HOME / "stores" / measured["store"]) as store:
        lengths = store.document_lengths()
    length = sequence_length or sequence_for(lengths, context_of(checkpoint))
    pairs = dataset.format == PREFERENCE
    rows = lengths.size / 2 if pairs else float(lengths.sum()) / length
    chosen = batch_for(rows, most=128 if pairs else 64)
    work = Work(
        kind=dataset.format,
        tokens=int(lengths.sum()),
        epochs=epochs or chosen["epochs"],
        sequence_length=length,
        batch_size=batch_size or chosen["batch_size"],
        documents=int(lengths.size),
    )
    return work, truncation(lengths, length), estimate(model_size(checkpoint), work, measured_speed())


def model_size(checkpoint: Checkpoint) -> ModelSize:
    """By the checkpoint's configuration and the heads of its weight files. Raises DatasetError."""
    config = model_config(checkpoint)
    try:
        return ModelSize(
            parameters=parameters_of(checkpoint.path),
            hidden_size=int(config["hidden_size"]),
            layers=int(config["num_hidden_layers"]),
            vocabulary=int(config["vocab_size"]),
        )
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise DatasetError(f"the size of {checkpoint} cannot be read: restore its files") from error


def parameters_of(folder: Path) -> int:
    """Numbers in all safetensors files of a checkpoint."""
    return sum(map(parameters_in, folder.glob("*.safetensors")))


def parameters_in(path: Path) -> int:
    """Read from the head of the file: its length in 8 bytes, then JSON with each tensor's shape."""
    with path.open("rb") as file:
        (size_bytes,) = struct.unpack("<Q", file.read(8).ljust(8, b"\0"))
        head = json.loads(file.read(min(size_bytes, HEADER_BYTES_MAX)))
    return sum(prod(tensor["shape"]) for name, tensor in head.items() if name != "__metadata__")


def measured_speed() -> float | None:
    """Floating-point operations a second that the fastest of the latest jobs here trained with, by the rule
    that estimates go by; None where none has been measured."""
    finals = Checkpoint.objects.filter(final=True).order_by("-created_at", "-id")[:JOBS_LOOKED_AT]
    return max((speed for final in finals if (speed := speed_of(final))), default=None)


def speed_of(checkpoint: Checkpoint) -> float | None:
    tokens, wall_s = checkpoint.cost.get("tokens") or 0, checkpoint.cost.get("wall_s") or 0.0
    if wall_s < SECONDS_MIN or not tokens or not checkpoint.path.is_dir():
        return None
    try:
        return float(TRAINING_FLOPS * parameters_of(checkpoint.path) * tokens / wall_s)
    except (OSError, KeyError, TypeError, ValueError):
        return None
