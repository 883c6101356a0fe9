"""Data sets that people uploaded."""

import uuid
from pathlib import Path

from django.conf import settings
from django.db import models

from tracing.models import Store


class DatasetFormat(models.TextChoices):
    """What the rows are; the values are spelt as training/core/datasets spells them."""

    CHAT = "chat", "conversations"
    PREFERENCE = "preference", "preferences"
    PROMPT = "prompt", "prompts with verifiers"


class DatasetState(models.TextChoices):
    WAITING = "waiting", "waiting to be checked"
    CHECKING = "checking", "being checked"
    READY = "ready", "ready"
    FAULTY = "faulty", "has rows that cannot be used"
    FAILED = "failed", "cannot be used"


class DatasetQuerySet(models.QuerySet["Dataset"]):
    def held_by(self, worker: str) -> "DatasetQuerySet":
        """Being worked on by that attempt: its writes go through this."""
        return self.filter(worker=worker)

    def ready(self) -> "DatasetQuerySet":
        return self.filter(state=DatasetState.READY)

    def unfinished(self) -> "DatasetQuerySet":
        """Still to be checked, or to be counted in a checkpoint's tokens."""
        to_check = models.Q(state__in=[DatasetState.WAITING, DatasetState.CHECKING])
        return self.filter(to_check | models.Q(measuring__isnull=False))


class Dataset(models.Model):
    """An uploaded file of rows under HEADWATER_HOME/datasets, what was found in it, and whose it is."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(
        max_length=200, help_text="The file's name, to be read by people; it is never part of a path."
    )
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="datasets")
    format = models.CharField(
        max_length=20, choices=DatasetFormat.choices, blank=True, help_text="Empty until it is checked."
    )
    digest = models.CharField(max_length=100, help_text="Digest of the file.")
    rows = models.PositiveIntegerField(default=0, help_text="Rows that can be used.")
    tokens = models.BigIntegerField(
        null=True, help_text="Tokens in the tokenizer of the checkpoint that was asked about last."
    )
    size_bytes = models.BigIntegerField()
    report = models.JSONField(default=dict, help_text="What was found in the rows, problems by line.")
    store = models.ForeignKey(
        Store,
        null=True,
        on_delete=models.SET_NULL,
        related_name="datasets",
        help_text="The token store that was made of it last.",
    )
    state = models.CharField(max_length=20, choices=DatasetState.choices, default=DatasetState.WAITING)
    error = models.TextField(blank=True, help_text="Why it cannot be used at all.")
    licence = models.CharField(
        max_length=200, blank=True, help_text="Under which its rows may be shown to people who trace answers."
    )
    measuring = models.ForeignKey(
        "training.Checkpoint",
        null=True,
        on_delete=models.SET_NULL,
        related_name="+",
        help_text="The checkpoint in whose tokens it is to be counted next.",
    )
    checked_bytes = models.BigIntegerField(default=0, help_text="How far the check has come.")
    worker = models.CharField(max_length=200, blank=True, help_text="The attempt that works on it.")
    heartbeat_at = models.DateTimeField(null=True)
    enqueued_at = models.DateTimeField(null=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)

    objects = DatasetQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-id"]

    def __str__(self) -> str:
        return self.name

    @property
    def path(self) -> Path:
        """The uploaded bytes. Named by us, whatever the file was called."""
        return settings.HOME / "datasets" / f"{self.pk.hex}.jsonl"

    @property
    def public_id(self) -> str:
        """Its id in /v1."""
        return f"file-{self.pk.hex}"

    @property
    def is_ready(self) -> bool:
        return self.state == DatasetState.READY
