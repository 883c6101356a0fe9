"""Which checkpoints a data set of a format can be a next lesson for."""

from django.db.models import QuerySet

from training.core.datasets.rows import CHAT, PREFERENCE, PROMPT
from training.models import Checkpoint

STARTS = {
    CHAT: ("instruct-sft", "think-sft", "midtrain"),
    PREFERENCE: ("instruct-sft", "think-sft"),
    PROMPT: ("instruct-dpo", "instruct-sft", "think-dpo", "think-sft", "midtrain"),
}
"""Stages whose final checkpoint is suggested first, by format."""


def candidates() -> QuerySet[Checkpoint]:
    """Checkpoints that a fine-tune may start from, the newest first."""
    return Checkpoint.objects.order_by("-final", "-created_at", "-id")


def suggested_checkpoint(format: str) -> Checkpoint | None:
    """The checkpoint that people who bring such data most likely start from; None where there is none."""
    finals = Checkpoint.objects.filter(final=True).order_by("-created_at", "-id")
    for stage in STARTS.get(format, ()):
        if found := finals.filter(stage=stage).first():
            return found
    return finals.first()
