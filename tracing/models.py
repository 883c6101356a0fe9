"""The stores that this site knows, what is withheld of them, and the traces that people keep and share."""

import uuid
from pathlib import Path

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models

from accounts.links import Link, LinkQuerySet
from accounts.links import new_token as new_token
from accounts.owners import OwnedQuerySet
from tracing.core.engines.choice import ENGINES, HEADWATER, check_installed
from tracing.core.errors import EngineFailed
from tracing.withholding.models import BlockRule as BlockRule
from tracing.withholding.models import StoreVersion as StoreVersion
from tracing.withholding.models import Sweep as Sweep
from tracing.withholding.models import Withholding as Withholding


class Store(models.Model):
    """A published token store: immutable files under HEADWATER_HOME/stores, and this row that finds them."""

    name = models.CharField(max_length=200, unique=True)
    stage = models.CharField(max_length=50)
    source = models.CharField(max_length=500, blank=True)
    licence = models.CharField(max_length=200, blank=True)
    digest = models.CharField(max_length=100, help_text="Digest of the store's manifest.")
    tokenizer = models.CharField(max_length=100, help_text="Digest of the tokenizer that made the ids.")
    tokens = models.BigIntegerField()
    documents = models.BigIntegerField()
    engine = models.CharField(
        max_length=20,
        choices=[(name, name) for name in ENGINES],
        default=HEADWATER,
        help_text=(
            "What finds matches in the store: Headwater's own engine, or infini-gram's in a process of its "
            "own, which gives the same spans and counts, slower, and needs the package infini-gram."
        ),
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["created_at", "id"]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        """Refuses an engine that is not installed here."""
        try:
            check_installed(self.engine)
        except EngineFailed as error:
            raise ValidationError({"engine": str(error)}) from error

    @property
    def path(self) -> Path:
        return settings.HOME / "stores" / self.name

    @property
    def is_here(self) -> bool:
        """Whether its files are on this machine; else an index node may hold them."""
        return self.path.is_dir()


class KeptKind(models.TextChoices):
    TEXT = "text", "a text"
    ANSWER = "answer", "an answer"


class KeptTrace(models.Model):
    """A trace that somebody made, as it was then: of a text from anywhere, or a snapshot of an answer's.

    Never changed after it is made, so that what was shared stays what it was.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.CASCADE, related_name="traces"
    )
    session_key = models.CharField(max_length=40, blank=True, db_index=True)
    kind = models.CharField(max_length=20, choices=KeptKind.choices, default=KeptKind.TEXT)
    origin = models.UUIDField(null=True, db_index=True, help_text="The answer that it is a snapshot of.")
    model = models.CharField(max_length=120, help_text="The checkpoint whose training data was searched.")
    prompt = models.TextField(blank=True)
    text = models.TextField(help_text="The text as it is shown; offsets of the spans count its characters.")
    content = models.JSONField(help_text="The whole trace, as POST /v1/traces answers.")
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)

    objects = OwnedQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return self.public_id

    @property
    def public_id(self) -> str:
        """The trace's id in /v1."""
        return f"trace-{self.pk.hex}"

    @property
    def title(self) -> str:
        """The first words, for lists."""
        words = " ".join(self.text[:400].split())
        return words if len(words) <= 80 else words[:79].rstrip() + "…"


class Share(Link):
    """A link by which anyone may read a kept trace, until it expires or its owner revokes it."""

    trace = models.ForeignKey(KeptTrace, on_delete=models.CASCADE, related_name="shares")

    objects = LinkQuerySet.as_manager()

    def __str__(self) -> str:
        return f"share of {self.trace_id}"
