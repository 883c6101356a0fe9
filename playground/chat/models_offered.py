"""Which checkpoints the page offers to chat with, and which it picks for a newcomer."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

from django.utils.formats import date_format

from accounts.models import User
from training.access import checkpoints_for
from training.availability import Availability, checkpoints_to_come
from training.heads import find_heads
from training.models import Checkpoint

STAGE_WORDS = {
    "pretrain": "pretraining",
    "midtrain": "midtraining",
    "think-sft": "think SFT",
    "think-dpo": "think DPO",
    "think-rlvr": "think RLVR",
    "instruct-sft": "instruct SFT",
    "instruct-dpo": "instruct DPO",
    "instruct-rlvr": "instruct RLVR",
    "rl-zero": "RL-Zero",
    "rl-zero-spurious": "RL-Zero, random rewards",
}


@dataclass(frozen=True)
class OfferedModel:
    """A checkpoint in the picker."""

    name: str
    label: str
    kind: str


def kind_of(checkpoint: Checkpoint) -> str:
    if checkpoint.chat != "chatml":
        return "base"
    return "think" if checkpoint.thinking else "instruct"


def offered(checkpoint: Checkpoint, when: str = "") -> OfferedModel:
    """`when` it is available, in words."""
    kind = kind_of(checkpoint)
    stage = STAGE_WORDS.get(checkpoint.stage, checkpoint.stage)
    where = stage if checkpoint.final else f"{stage}, step {checkpoint.step:,} of {checkpoint.steps:,}"
    label = " · ".join([checkpoint.name, where, *([when] if when else [])])
    return OfferedModel(checkpoint.name, label, kind)


def dated(words: str, moment: datetime | None) -> str:
    """`until 1 March 2027, 00:00 UTC`; nothing without a moment."""
    return f"{words} {date_format(moment.astimezone(UTC), 'j F Y, H:i')} UTC" if moment else ""


@dataclass(frozen=True)
class ModelMenu:
    """The picker: think and instruct on top, then every checkpoint along the flow, newest first. A newcomer
    talks to the instruct model as soon as there is one. Those `to_come` cannot be chosen yet."""

    heads: list[OfferedModel]
    others: list[OfferedModel]
    chosen: str
    to_come: list[OfferedModel] = field(default_factory=list)

    @property
    def names(self) -> list[str]:
        return [model.name for model in (*self.heads, *self.others)]

    @property
    def empty(self) -> bool:
        return not self.heads and not self.others


def model_menu(chosen: str = "", *, user: User | None = None) -> ModelMenu:
    """What this person may talk to; None stands for somebody who is not signed in."""
    checkpoints = list(checkpoints_for(user).select_related("job").order_by("-created_at", "-id"))
    availability = Availability.of(user)
    heads = [head for head in find_heads() if head in checkpoints]
    others = [checkpoint for checkpoint in checkpoints if checkpoint not in heads]
    names = {checkpoint.name for checkpoint in checkpoints}
    first = next(iter([*reversed(heads), *others]), None)
    return ModelMenu(
        heads=[offered(head, dated("until", availability.until(head))) for head in heads],
        others=[offered(other, dated("until", availability.until(other))) for other in others],
        to_come=[offered(row, dated("from", availability.opening(row))) for row in checkpoints_to_come(user)],
        chosen=chosen if chosen in names else (first.name if first else ""),
    )
