"""What a fine-tune with these numbers would take."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tracing.models import Store
from tracing.services import open_store
from training.core.datasets.estimates import Estimate, Work, estimate
from training.core.datasets.measures import Truncation, truncation
from training.core.datasets.rows import CHAT, PREFERENCE, PROMPT
from training.datasets.estimating import measured_speed, model_size
from training.fine_tuning.stages import family
from training.models import Checkpoint

KINDS = {"dpo": PREFERENCE, "rlvr": PROMPT, "rl-zero": PROMPT}


@dataclass(frozen=True)
class Forecast:
    """Steps, what the sequence length cuts off, and time, memory and GPU-hours."""

    steps: int
    work: Work
    cut: Truncation
    estimate: Estimate


def forecast(*, stage: str, parent: Checkpoint, store: Store, settings: Mapping[str, Any]) -> Forecast:
    """Raises TrainingError or TracingError for a checkpoint or store that cannot be read."""
    lengths = open_store(store).document_lengths()
    kind = KINDS.get(family(stage), CHAT)
    documents = lengths.size // 2 if kind == PREFERENCE else lengths.size
    kept = max(1, documents - int(settings.get("held_out") or 0)) / documents
    length, batch = int(settings["sequence_length"]), int(settings["batch_size"])
    epochs = float(settings.get("epochs") or 1)
    steps = int(settings.get("steps") or 0) or steps_of(
        kind, lengths.sum() * kept, documents * kept, settings
    )
    work = Work(
        kind=kind,
        tokens=int(lengths.sum() * kept),
        epochs=steps * batch / documents if kind == PROMPT else epochs,
        sequence_length=length,
        batch_size=batch,
        documents=int(documents),
        answers=int(settings.get("answers") or 8),
    )
    return Forecast(
        steps, work, truncation(lengths, length), estimate(model_size(parent), work, measured_speed())
    )


def steps_of(kind: str, tokens: float, documents: float, settings: Mapping[str, Any]) -> int:
    """About as many as the stage will count, which packs documents into sequences."""
    batch, epochs = int(settings["batch_size"]), float(settings.get("epochs") or 1)
    rows = documents if kind == PREFERENCE else tokens / int(settings["sequence_length"])
    return max(1, round(epochs * rows / batch))
