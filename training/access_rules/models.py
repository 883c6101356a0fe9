"""Rules about models: one that names a model closes it to all whom no rule admits."""

from datetime import datetime
from typing import Any, Self

from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q

from accounts.models import User


class Audience(models.TextChoices):
    """Whom a rule admits."""

    EVERYONE = "everyone", "everyone, signed in or not"
    SIGNED_IN = "signed-in", "everyone who has an account"
    GROUPS = "groups", "members of the groups below"


class AccessRuleQuerySet(models.QuerySet["AccessRule"]):
    def naming(self, checkpoint: Any, flow: Any) -> Self:
        """Rules about this checkpoint, its flow, or every model. Both may be references of an outer query."""
        every = Q(checkpoint=None, flow=None)
        return self.filter(every | Q(checkpoint=checkpoint) | Q(flow=flow))

    def open_at(self, moment: datetime) -> Self:
        begun = Q(opens_at=None) | Q(opens_at__lte=moment)
        return self.filter(begun, Q(closes_at=None) | Q(closes_at__gt=moment))

    def admitting(self, user: User | None) -> Self:
        """Rules that admit this person; None stands for somebody who is not signed in."""
        if user is None:
            return self.filter(audience=Audience.EVERYONE)
        member = Q(audience=Audience.GROUPS, groups__in=user.groups.all())
        return self.filter(Q(audience__in=[Audience.EVERYONE, Audience.SIGNED_IN]) | member)


class AccessRule(models.Model):
    """Whom a model, a flow's models, or all models are open to, and from when until when."""

    checkpoint = models.ForeignKey(
        "training.Checkpoint",
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="access_rules",
        help_text="The one model that the rule is about; leave empty to name a flow, or every model.",
    )
    flow = models.ForeignKey(
        "training.Flow",
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="access_rules",
        help_text="All models that this flow or fine-tune made.",
    )
    audience = models.CharField(
        max_length=20,
        choices=Audience.choices,
        default=Audience.GROUPS,
        help_text="A model that a rule names is closed to everybody whom no rule admits. Administrators "
        "always have all.",
    )
    groups = models.ManyToManyField(Group, blank=True, related_name="access_rules")
    opens_at = models.DateTimeField(null=True, blank=True, help_text="Closed before; empty: open already.")
    closes_at = models.DateTimeField(null=True, blank=True, help_text="Closed from then on; empty: never.")

    objects = AccessRuleQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.subject}: {self.get_audience_display()}"

    @property
    def subject(self) -> str:
        """What the rule is about, in words."""
        if self.checkpoint:
            return self.checkpoint.name
        return f"models of {self.flow.name}" if self.flow else "every model"

    def clean(self) -> None:
        if self.checkpoint and self.flow:
            raise ValidationError("Name a model or a flow, not both; make a second rule for the other.")
        if self.opens_at and self.closes_at and self.closes_at <= self.opens_at:
            raise ValidationError({"closes_at": "It would close before it opens. Choose a later time."})
