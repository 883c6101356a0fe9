"""Flows, their jobs, and the checkpoints that come out of them."""

from pathlib import Path

from django.conf import settings
from django.db import models
from django.utils import timezone

from tracing.models import Store
from training.access_rules.models import AccessRule as AccessRule
from training.access_rules.models import Audience as Audience
from training.datasets.models import Dataset as Dataset
from training.datasets.models import DatasetFormat as DatasetFormat
from training.datasets.models import DatasetState as DatasetState
from training.transfers.models import Transfer as Transfer


class FlowQuerySet(models.QuerySet["Flow"]):
    def of_recipes(self) -> "FlowQuerySet":
        """Flows that run the stages of a recipe: not fine-tunes."""
        return self.exclude(recipe="")


class Flow(models.Model):
    """One run of a recipe through its stages; or, without a recipe, one fine-tune of a checkpoint."""

    name = models.SlugField(max_length=60, unique=True, help_text="Prefix of its checkpoints' names.")
    recipe = models.CharField(
        max_length=200,
        blank=True,
        help_text="A name in training/recipes/ or the path of a TOML file; empty: a fine-tune.",
    )
    created_at = models.DateTimeField(auto_now_add=True)

    objects = FlowQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-id"]

    def __str__(self) -> str:
        return self.name


class JobState(models.TextChoices):
    WAITING = "waiting", "waiting for an earlier stage"
    VALIDATING = "validating", "preparing its data"
    QUEUED = "queued", "queued"
    RUNNING = "running", "running"
    SUCCEEDED = "succeeded", "done"
    FAILED = "failed", "failed"
    PAUSED = "paused", "paused"
    CANCELLED = "cancelled", "cancelled"


class Wanted(models.TextChoices):
    """What a person asked of a job that a worker has not done yet."""

    NOTHING = "", "nothing"
    PAUSE = "pause", "pausing"
    CANCEL = "cancel", "cancelling"


class JobQuerySet(models.QuerySet["Job"]):
    def held_by(self, worker: str) -> "JobQuerySet":
        """Running in that worker's hands: every write of an attempt goes through this, so that a worker
        which lost its job to another changes nothing."""
        return self.filter(state=JobState.RUNNING, worker=worker)

    def validated_by(self, worker: str) -> "JobQuerySet":
        """In the hands of that worker, which prepares their data."""
        return self.filter(state=JobState.VALIDATING, worker=worker)

    def unfinished(self) -> "JobQuerySet":
        return self.exclude(state=JobState.SUCCEEDED)


class Job(models.Model):
    """One stage of a flow, run by one worker at a time in a child process with a directory of its own."""

    flow = models.ForeignKey(Flow, on_delete=models.CASCADE, related_name="jobs")
    stage = models.CharField(max_length=50)
    position = models.PositiveSmallIntegerField()
    config = models.JSONField(
        default=dict, help_text="The stage's settings, as the recipe had them at the start."
    )
    after = models.ForeignKey("self", null=True, on_delete=models.RESTRICT, related_name="followers")
    parent = models.ForeignKey(
        "Checkpoint",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="fine_tunes",
        help_text="The checkpoint that a fine-tune starts from; a flow's stages start from the one before.",
    )
    dataset = models.ForeignKey(
        Dataset,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="jobs",
        help_text="The upload that it reads, if it reads one.",
    )
    validation = models.ForeignKey(
        Dataset,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="validated_jobs",
        help_text="The upload that it is measured on as it trains, and never learns.",
    )
    asked = models.JSONField(
        null=True,
        blank=True,
        help_text="While its data is prepared: the settings that were asked for, of which `config` is made.",
    )
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="jobs"
    )
    state = models.CharField(max_length=20, choices=JobState.choices, default=JobState.WAITING)
    wanted = models.CharField(
        max_length=10,
        choices=Wanted.choices,
        default=Wanted.NOTHING,
        blank=True,
        help_text="Asked for by a person and not done yet: pause or cancel.",
    )
    phase = models.CharField(max_length=100, blank=True)
    done = models.BigIntegerField(default=0)
    total = models.BigIntegerField(default=0)
    unit = models.CharField(max_length=30, blank=True)
    eta_s = models.FloatField(null=True)
    planned_s = models.FloatField(
        default=0, help_text="What the recipe expects the stage to take, for the flow's ETA."
    )
    worker = models.CharField(
        max_length=200, blank=True, help_text="Host, process and attempt that hold the job while it runs."
    )
    heartbeat_at = models.DateTimeField(null=True)
    enqueued_at = models.DateTimeField(null=True, help_text="When its message was last sent to the workers.")
    attempts = models.PositiveSmallIntegerField(default=0)
    crashes = models.PositiveSmallIntegerField(default=0, help_text="Crashes in a row without progress.")
    reached = models.JSONField(default=dict, help_text="The furthest that each phase got in any attempt.")
    events_offset = models.BigIntegerField(default=0, help_text="Bytes of events.jsonl that are dealt with.")
    error = models.TextField(blank=True)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    cpu_s = models.FloatField(null=True)

    objects = JobQuerySet.as_manager()

    class Meta:
        ordering = ["flow", "position"]
        constraints = [models.UniqueConstraint(fields=["flow", "stage"], name="one_job_a_stage")]

    def __str__(self) -> str:
        return f"{self.flow.name}/{self.stage}"

    @property
    def directory(self) -> Path:
        return settings.HOME / "jobs" / str(self.pk)

    @property
    def condition(self) -> str:
        """Its state in words: pausing or cancelling where that is asked for and not done yet."""
        return str(self.get_wanted_display() if self.wanted else self.get_state_display())

    @property
    def is_fine_tune(self) -> bool:
        return self.parent_id is not None

    @property
    def elapsed_s(self) -> float | None:
        """Seconds from the first start until now or the end."""
        if self.started_at is None:
            return None
        return ((self.finished_at or timezone.now()) - self.started_at).total_seconds()


class Checkpoint(models.Model):
    """A published Hugging Face directory under HEADWATER_HOME/checkpoints, and this row that finds it."""

    name = models.SlugField(max_length=120, unique=True)
    job = models.ForeignKey(Job, null=True, on_delete=models.SET_NULL, related_name="checkpoints")
    parents = models.ManyToManyField("self", symmetrical=False, related_name="children")
    base = models.ForeignKey(
        "self",
        null=True,
        on_delete=models.RESTRICT,
        related_name="adapters",
        help_text="Of a LoRA adapter: the whole checkpoint that it goes on.",
    )
    stage = models.CharField(max_length=50)
    step = models.PositiveIntegerField()
    steps = models.PositiveIntegerField(help_text="Steps of the whole stage.")
    final = models.BooleanField(default=False)
    digest = models.CharField(max_length=100, help_text="Digest of the weights.")
    tokenizer = models.CharField(max_length=100)
    chat = models.CharField(max_length=20, help_text="Chat format: plain or chatml.")
    thinking = models.BooleanField(default=False, help_text="It thinks in <think> before it answers.")
    scores = models.JSONField(default=dict)
    metrics = models.JSONField(default=dict)
    config = models.JSONField(default=dict, help_text="Every setting of its stage.")
    code_commit = models.CharField(max_length=64, blank=True, help_text="Of Headwater, as it was trained.")
    cost = models.JSONField(
        default=dict, help_text="CPU, GPU and wall seconds and tokens of its own stage, up to its step."
    )
    lineage_cost = models.JSONField(default=dict, help_text="The same, with all that it descends from.")
    verified_at = models.DateTimeField(null=True, help_text="When its weights' digest was last computed.")
    damage = models.TextField(
        blank=True, help_text="What is wrong with its weights; engines and jobs refuse it then."
    )
    stores = models.ManyToManyField(Store, through="TrainedOn", related_name="checkpoints")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["created_at", "id"]

    def __str__(self) -> str:
        return self.name

    @property
    def host(self) -> "Checkpoint":
        """The whole checkpoint that has to be loaded for this one to answer: itself, or its base."""
        return self.base or self

    @property
    def path(self) -> Path:
        return settings.HOME / "checkpoints" / self.name


class TrainedOn(models.Model):
    """That a checkpoint's own stage read a store, and in which order (see training/core/order.py)."""

    checkpoint = models.ForeignKey(Checkpoint, on_delete=models.CASCADE)
    store = models.ForeignKey(Store, on_delete=models.PROTECT)
    seed = models.BigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["checkpoint", "store"], name="a_store_once_a_checkpoint")
        ]

    def __str__(self) -> str:
        return f"{self.checkpoint} on {self.store}"


class Evaluation(models.Model):
    """What a checkpoint scored on a task, and how much of the task occurs in the data behind it."""

    checkpoint = models.ForeignKey(Checkpoint, on_delete=models.CASCADE, related_name="evaluations")
    task = models.CharField(max_length=200, help_text="arithmetic, library, or the name of a JSONL file.")
    digest = models.CharField(max_length=100, help_text="Digest of the task's items, in their order.")
    settings = models.JSONField(default=dict, help_text="Samples, temperature, seed and limit.")
    items = models.PositiveIntegerField()
    scores = models.JSONField(
        default=dict, help_text="Means by name, and the standard error of each as NAME_error."
    )
    contamination = models.JSONField(
        default=dict, help_text="Items that occur in the data: whole, by n-grams, by stage, and where."
    )
    unprotected = models.JSONField(
        default=dict, help_text="Protections that the machine could not give while code was run."
    )
    seconds = models.FloatField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-created_at", "-id"]
        indexes = [models.Index(fields=["digest", "checkpoint"], name="evaluation_of_a_checkpoint")]

    def __str__(self) -> str:
        return f"{self.checkpoint} on {self.task}"
