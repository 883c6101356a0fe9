"""The engines that answer in conversations, and fine-tunes as programs asked for them."""

from datetime import timedelta

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils import timezone

from playground.attachments.models import Attachment as Attachment
from playground.attachments.models import AttachmentKind as AttachmentKind
from playground.beside.models import Lineup as Lineup
from playground.beside.models import Seat as Seat
from playground.beside.models import Vote as Vote
from playground.chat.models import Message as Message
from playground.chat.models import MessageState as MessageState
from playground.chat.models import Role as Role
from playground.chat.models import Thread as Thread
from playground.chat.models import ThreadQuerySet as ThreadQuerySet
from playground.presets.models import Preset as Preset
from playground.ratings.models import Consent as Consent
from playground.ratings.models import RatedRow as RatedRow
from playground.ratings.models import Rating as Rating
from playground.sharing.models import SharedLineup as SharedLineup
from playground.sharing.models import SharedSide as SharedSide
from playground.sharing.models import SharedThread as SharedThread
from playground.sharing.models import SharedTurn as SharedTurn
from playground.tools.models import CallRecord as CallRecord
from playground.tools.models import ToolServer as ToolServer
from training.models import Checkpoint, Job

STILL_ASKED = timedelta(seconds=3)
"""Whoever waits for a model asks for it again every second."""


class DeploymentQuerySet(models.QuerySet["Deployment"]):
    def waiting(self) -> "DeploymentQuerySet":
        """Those that somebody waits for now and that no engine holds yet."""
        held = Engine.objects.exclude(checkpoint=None).values("checkpoint")
        return self.filter(wanted_at__gte=timezone.now() - STILL_ASKED).exclude(checkpoint__in=held)


class Deployment(models.Model):
    """That a checkpoint should be servable: pinned ones always, others while somebody wants them."""

    checkpoint = models.OneToOneField(Checkpoint, on_delete=models.CASCADE, related_name="deployment")
    pinned = models.BooleanField(
        default=False, help_text="Keep it loaded, ahead of those that are merely wanted."
    )
    replicas = models.PositiveSmallIntegerField(
        default=1,
        validators=[MinValueValidator(1), MaxValueValidator(64)],
        help_text="How many engines hold it while it is pinned, as far as there are engines for all.",
    )
    head = models.BooleanField(
        default=False,
        help_text="Pinned by the flow as its newest think or instruct model, until a newer one comes.",
    )
    wanted_at = models.DateTimeField(null=True, help_text="When a chat last asked for it.")
    asked_since = models.DateTimeField(
        null=True, help_text="Since when chats have been asking for it without a pause."
    )

    objects = DeploymentQuerySet.as_manager()

    def __str__(self) -> str:
        return self.checkpoint.name


class EngineState(models.TextChoices):
    STARTING = "starting", "starting"
    LOADING = "loading", "loading a checkpoint"
    READY = "ready", "ready"
    DRAINING = "draining", "finishing its answers before it loads another checkpoint"
    FAILED = "failed", "failed"
    STOPPED = "stopped", "stopped"


class Engine(models.Model):
    """One slot of this node: what its process is, where it listens, which checkpoint it holds."""

    slot = models.PositiveSmallIntegerField(unique=True)
    kind = models.CharField(max_length=20, help_text="vllm or transformers.")
    state = models.CharField(max_length=20, choices=EngineState.choices, default=EngineState.STOPPED)
    checkpoint = models.ForeignKey(Checkpoint, null=True, on_delete=models.SET_NULL, related_name="engines")
    address = models.CharField(max_length=300, blank=True, help_text="unix:///path or http://127.0.0.1:port")
    pid = models.PositiveIntegerField(null=True)
    restarts = models.PositiveIntegerField(default=0)
    error = models.TextField(blank=True, help_text="Why it failed, or why it is not vLLM that serves.")
    started_at = models.DateTimeField(null=True)
    used_at = models.DateTimeField(null=True, help_text="When an answer last began or ended on it.")
    ready_at = models.DateTimeField(null=True)
    heartbeat_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["slot"]

    def __str__(self) -> str:
        return f"engine {self.slot}"


class EngineLease(models.Model):
    """A process's hold on an engine: while one lives, the engine's weights are not swapped."""

    engine = models.ForeignKey(Engine, on_delete=models.CASCADE, related_name="leases")
    expires_at = models.DateTimeField()
    answers = models.PositiveIntegerField(
        default=1, help_text="How many answers the process was writing on the engine when it said so last."
    )

    def __str__(self) -> str:
        return f"lease on {self.engine_id} until {self.expires_at:%H:%M:%S}"


class FineTuneRequest(models.Model):
    """What a program asked for when it started a fine-tune by /v1, to be shown to it again."""

    job = models.OneToOneField(Job, on_delete=models.CASCADE, related_name="request")
    method = models.CharField(max_length=20, help_text="supervised, dpo or reinforcement.")
    body = models.JSONField(default=dict, help_text="The suffix, metadata and hyperparameters as sent.")

    def __str__(self) -> str:
        return f"request for {self.job}"
