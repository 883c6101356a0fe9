"""Numbers to begin with, for data of this size and a checkpoint of that: what the lineage was trained with
where it can be known, Olmo 3's figures scaled to the model's width where it cannot."""

import json
from collections.abc import Collection
from typing import Any

import numpy as np

from tracing.models import Store
from tracing.services import open_store
from training.core.checkpoints import read_checkpoint
from training.core.recipe import TrainRecipe
from training.core.recipe_files import STAGES
from training.fine_tuning.stages import family
from training.lineage import ancestors_of
from training.models import Checkpoint

OLMO_WIDTH = 4096
STEPS_WANTED = 60
EPOCHS_MOST = 20.0
HELD_OUT_SHARE = 0.1
HELD_OUT_MOST = 200
CARRIED = ("attention", "save_s", "weight_decay", "beta1", "beta2", "clip", "z_loss")
"""Settings that are the model's and the machine's rather than the data's."""


def default_settings(*, stage: str, parent: Checkpoint, store: Store | None) -> dict[str, Any]:
    """A recipe's settings by name. Raises CheckpointError or StoreError for what cannot be read."""
    settings: dict[str, Any] = {"learning_rate": rate_for(stage, parent), "checkpoints": 1}
    settings |= carried(parent) | {"warmup_steps": 0, "warmup_share": 0.1, "held_out_problems": 60}
    if family(stage) in {"rlvr", "rl-zero"}:
        settings |= {"final_learning_rate": settings["learning_rate"], "steps": STEPS_WANTED}
        settings["longest_answer"] = max(1, context_of(parent) // 2)
    return settings | (sizes_for(stage, parent, store) if store else {})


def sizes_for(stage: str, parent: Checkpoint, store: Store) -> dict[str, Any]:
    """Sequences that hold nearly every document, and batches small enough for a run of some steps."""
    lengths = open_store(store).document_lengths()
    sequence = sequence_for(lengths, context_of(parent))
    documents = len(lengths) // 2 if family(stage) == "dpo" else len(lengths)
    shared = {"sequence_length": sequence, "held_out": min(HELD_OUT_MOST, int(documents * HELD_OUT_SHARE))}
    if family(stage) == "dpo":
        return shared | batch_for(documents, most=128)
    return shared | batch_for(float(lengths.sum()) / sequence, most=64)


def batch_for(rows: float, *, most: int) -> dict[str, Any]:
    """Rows a step, and epochs, for about STEPS_WANTED steps of little data and no more than two epochs of
    much."""
    batch = max(1, min(most, int(rows * 2 / STEPS_WANTED)))
    epochs = min(EPOCHS_MOST, max(2.0, round(STEPS_WANTED * batch / max(rows, 1e-9))))
    return {"batch_size": batch, "epochs": epochs, "tokens": 0}


def sequence_for(lengths: "np.ndarray[Any, Any]", context: int) -> int:
    """The power of two that holds 99 documents of 100, within the model's context."""
    length = int(np.quantile(lengths, 0.99, method="higher"))
    return max(8, min(context, 1 << (length - 1).bit_length()))


def context_of(checkpoint: Checkpoint) -> int:
    """Tokens that the model takes."""
    return int(model_config(checkpoint).get("max_position_embeddings", 2048))


def model_config(checkpoint: Checkpoint) -> dict[str, Any]:
    try:
        config = json.loads((checkpoint.path / "config.json").read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return config if isinstance(config, dict) else {}


def rate_for(stage: str, parent: Checkpoint) -> float:
    """The peak rate of the nearest ancestor's stage of the same kind; else Olmo 3's for the stage, times how
    much narrower the model is."""
    for ancestor in [parent, *reversed(ancestors_of(parent))]:
        if family(ancestor.stage) == family(stage) and ancestor.path.is_dir():
            return float(read_checkpoint(ancestor.path).config.get("learning_rate", 0)) or 5e-5
    kind: Any = STAGES[stage]
    width = int(model_config(parent).get("hidden_size", OLMO_WIDTH))
    return float(f"{kind().learning_rate * max(1.0, OLMO_WIDTH / width):.2g}")


def carried(parent: Checkpoint, names: Collection[str] = CARRIED) -> dict[str, Any]:
    """What the parent itself was trained with, by default of the settings that do not depend on the data."""
    if not parent.path.is_dir():
        return {}
    config = read_checkpoint(parent.path).config
    known = set(TrainRecipe.__dataclass_fields__)
    return {name: config[name] for name in names if name in config and name in known}
