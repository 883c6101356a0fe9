"""What kind of thing a checkpoint is, in words."""

from collections.abc import Sequence

from training.core.recipe_files import STAGES
from training.models import Checkpoint

PLACES = {stage: place for place, stage in enumerate(STAGES)}


def kind_of(checkpoint: Checkpoint) -> str:
    """base, think or instruct: how it is spoken to."""
    if checkpoint.chat != "chatml":
        return "base"
    return "think" if checkpoint.thinking else "instruct"


def origin_of(checkpoint: Checkpoint, parents: Sequence[Checkpoint]) -> str:
    """How it came to be, where that is anything but training with all weights; else empty."""
    if checkpoint.base_id is not None:
        return "adapter"
    if len(parents) > 1:
        return f"average of {len(parents)}"
    if checkpoint.job_id is None and not parents:
        return "imported"
    return ""


def place_in_flow(checkpoint: Checkpoint) -> tuple[int, int]:
    """To sort checkpoints of one flow by: the stage's place, then the step."""
    job = checkpoint.job
    place = job.position if job else PLACES.get(checkpoint.stage, len(PLACES))
    return place, checkpoint.step


def flow_name(checkpoint: Checkpoint) -> str:
    return checkpoint.job.flow.name if checkpoint.job else ""
