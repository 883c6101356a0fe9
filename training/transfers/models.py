"""What administrators asked to be taken in, given out or merged."""

from pathlib import Path

from django.conf import settings
from django.db import models


class TransferKind(models.TextChoices):
    IMPORT = "import", "import"
    EXPORT = "export", "export"
    MERGE = "merge", "merge"


class TransferState(models.TextChoices):
    QUEUED = "queued", "queued"
    RUNNING = "running", "at work"
    SUCCEEDED = "succeeded", "done"
    FAILED = "failed", "failed"


class TransferQuerySet(models.QuerySet["Transfer"]):
    def held_by(self, worker: str) -> "TransferQuerySet":
        """In the hands of that attempt: its writes go through this."""
        return self.filter(state=TransferState.RUNNING, worker=worker)

    def unfinished(self) -> "TransferQuerySet":
        return self.filter(state__in=[TransferState.QUEUED, TransferState.RUNNING])


class Transfer(models.Model):
    """A model's way in or out, or of an adapter into its base; done by one worker at a time."""

    kind = models.CharField(max_length=10, choices=TransferKind.choices)
    state = models.CharField(
        max_length=10, choices=TransferState.choices, default=TransferState.QUEUED, db_index=True
    )
    name = models.SlugField(max_length=120, help_text="Of the checkpoint that is given out, or to be made.")
    checkpoint = models.ForeignKey(
        "training.Checkpoint",
        null=True,
        on_delete=models.SET_NULL,
        related_name="transfers",
        help_text="What is given out or merged.",
    )
    made = models.ForeignKey(
        "training.Checkpoint",
        null=True,
        on_delete=models.SET_NULL,
        related_name="+",
        help_text="What an import or a merge has made.",
    )
    folder = models.CharField(
        max_length=255, blank=True, help_text="Of an import: a directory in HEADWATER_HOME/imports."
    )
    corpora = models.JSONField(default=list, help_text="Of an import: names of the stores behind the model.")
    gguf = models.CharField(max_length=10, blank=True, help_text="Of an export: f32 or f16 for a GGUF file.")
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="transfers"
    )
    phase = models.CharField(max_length=100, blank=True)
    done = models.BigIntegerField(default=0, help_text="Bytes.")
    total = models.BigIntegerField(default=0)
    error = models.TextField(blank=True)
    worker = models.CharField(max_length=200, blank=True, help_text="The attempt that is at it.")
    attempts = models.PositiveSmallIntegerField(default=0)
    heartbeat_at = models.DateTimeField(null=True)
    enqueued_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True)

    objects = TransferQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.kind} of {self.name}"

    @property
    def directory(self) -> Path:
        """Where an export lies. Named by us."""
        return settings.HOME / "exports" / f"{self.pk}-{self.name}"

    @property
    def at_work(self) -> bool:
        return self.state in (TransferState.QUEUED, TransferState.RUNNING)
