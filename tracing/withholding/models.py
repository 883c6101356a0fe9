"""What is withheld and why, the rules that block documents, and the passes over stores that look for them."""

from django.db import models
from django.db.models import Q
from django.utils import timezone


class Reason(models.TextChoices):
    """Why a document is withheld; of several, the first of these is the one that is shown."""

    TAKEN_DOWN = "taken down", "taken down"
    BLOCKED = "blocked", "blocked"
    PERSONAL_DATA = "personal data", "personal data"


class RuleKind(models.TextChoices):
    """What a rule compares with a document's metadata."""

    PREFIX = "prefix", "source or URL begins with"
    DOMAIN = "domain", "URL is on the domain"
    LICENCE = "licence", "licence is"
    CORPUS = "corpus", "corpus is"
    FIELD = "field", "metadata field is"


class BlockRule(models.Model):
    """Withholds every document whose metadata it fits, in all stores and those yet to come."""

    kind = models.CharField(max_length=20, choices=RuleKind.choices)
    field = models.CharField(max_length=100, blank=True, help_text="Only for a metadata field: its name.")
    value = models.CharField(max_length=500, help_text="Compared exactly, upper and lower case included.")
    note = models.CharField(max_length=2000, blank=True, help_text="Why; only administrators see it.")
    by = models.CharField(max_length=200, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    lifted_at = models.DateTimeField(null=True, editable=False)
    lifted_by = models.CharField(max_length=200, blank=True, editable=False)

    class Meta:
        ordering = ["-created_at", "-id"]

    def __str__(self) -> str:
        what = f"metadata {self.field} is" if self.kind == RuleKind.FIELD else self.get_kind_display()
        return f"{what} {self.value}"


class WithholdingQuerySet(models.QuerySet["Withholding"]):
    def in_force(self) -> "WithholdingQuerySet":
        return self.filter(lifted_at=None)


class Withholding(models.Model):
    """That a document is withheld, or was until somebody lifted it. Rows are never deleted: they are history.

    A store is named, not referred to, so that a takedown outlives the store's row. `digest` says which build
    of the store the document's number belongs to, `document_id` finds it again in another build.
    """

    store_name = models.CharField("store", max_length=200)
    digest = models.CharField(max_length=100)
    document = models.BigIntegerField("document number")
    document_id = models.CharField(max_length=500, blank=True, help_text="The id in its metadata.")
    reason = models.CharField(max_length=20, choices=Reason.choices)
    kinds = models.JSONField(default=dict, help_text="Kinds of personal data found, and how many of each.")
    note = models.CharField(max_length=2000, blank=True, help_text="Why; only administrators see it.")
    rule = models.ForeignKey(BlockRule, null=True, on_delete=models.PROTECT, related_name="withholdings")
    by = models.CharField(max_length=200)
    created_at = models.DateTimeField(default=timezone.now)
    lifted_at = models.DateTimeField(null=True)
    lifted_by = models.CharField(max_length=200, blank=True)
    lifted_note = models.CharField(max_length=2000, blank=True)
    version = models.BigIntegerField(help_text="The store's version that this row last changed in.")

    objects = WithholdingQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-id"]
        indexes = [
            models.Index(fields=["store_name", "digest", "version"], name="withholding_changes"),
            models.Index(fields=["store_name", "digest", "document"], name="withholding_documents"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["store_name", "digest", "document", "reason"],
                condition=Q(lifted_at=None, rule=None),
                name="withheld_once_a_reason",
            ),
            models.UniqueConstraint(
                fields=["store_name", "digest", "document", "rule"],
                condition=Q(lifted_at=None),
                name="withheld_once_a_rule",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.store_name} document {self.document}: {self.reason}"


class StoreVersion(models.Model):
    """Changes with every act on a store's documents, so that every process knows when to read them anew.

    `digest` is the build of the store whose documents the name means now.
    """

    store_name = models.CharField(max_length=200, primary_key=True)
    digest = models.CharField(max_length=100)
    version = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.store_name} at {self.version}"


class SweepKind(models.TextChoices):
    BLOCKS = "blocks", "apply block rules"
    PERSONAL_DATA = "personal data", "look for personal data"


class SweepState(models.TextChoices):
    QUEUED = "queued", "queued"
    RUNNING = "running", "running"
    DONE = "done", "done"
    FAILED = "failed", "failed"


class Sweep(models.Model):
    """One pass over all documents of a store, by a worker or a command; resumed where it was left."""

    kind = models.CharField(max_length=20, choices=SweepKind.choices)
    store_name = models.CharField("store", max_length=200)
    digest = models.CharField(max_length=100)
    rule = models.ForeignKey(BlockRule, null=True, on_delete=models.PROTECT, related_name="sweeps")
    looks_for = models.JSONField(default=list, help_text="Kinds of personal data.")
    state = models.CharField(max_length=20, choices=SweepState.choices, default=SweepState.QUEUED)
    done = models.BigIntegerField(default=0, help_text="Documents looked at; the next one's number.")
    total = models.BigIntegerField()
    found = models.BigIntegerField(default=0, help_text="Documents that it withheld.")
    kinds = models.JSONField(default=dict, help_text="Documents with each kind of personal data.")
    eta_s = models.FloatField(null=True)
    by = models.CharField(max_length=200)
    error = models.TextField(blank=True)
    attempt = models.CharField(max_length=40, blank=True, help_text="The attempt that holds it now.")
    heartbeat_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-created_at", "-id"]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} in {self.store_name}"
