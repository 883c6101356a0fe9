"""Limits as administrators set them."""

from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator
from django.db import models

AMOUNT_MAX = 10**12


class Resource(models.TextChoices):
    """What is counted."""

    REQUESTS = "requests", "requests"
    TOKENS = "tokens", "tokens"
    ENGINE = "engine_s", "GPU-seconds"
    JOBS = "jobs", "jobs"


class Period(models.TextChoices):
    """The span that slides along: a limit holds in any minute, hour, day or 30 days."""

    MINUTE = "minute", "minute"
    HOUR = "hour", "hour"
    DAY = "day", "day"
    MONTH = "month", "30 days"


PERIOD_S = {Period.MINUTE: 60, Period.HOUR: 3600, Period.DAY: 86_400, Period.MONTH: 30 * 86_400}


class Audience(models.TextChoices):
    """Whom a limit holds for."""

    KEY = "key", "one API key"
    PERSON = "person", "one person, with all of their keys"
    MEMBER = "member", "each member of a group"
    GROUP = "group", "all members of a group together"
    EVERYONE = "everyone", "each person with an account"
    VISITOR = "visitor", "each address without an account"
    VISITORS = "visitors", "all visitors without an account together"
    SITE = "site", "the whole site"


NAMED = {Audience.KEY: "key", Audience.PERSON: "user", Audience.MEMBER: "group", Audience.GROUP: "group"}
"""Audiences that need a name, and the field that holds it."""


class Limit(models.Model):
    """At most `amount` of a resource in any period. All limits that hold for somebody are checked."""

    audience = models.CharField(
        max_length=10,
        choices=Audience.choices,
        help_text="A person's own limit takes the place of those of each member and of everyone for the same "
        "resource and period, a group's of those of everyone; all other limits hold beside it.",
    )
    key = models.ForeignKey(
        "accounts.ApiKey", null=True, blank=True, on_delete=models.CASCADE, related_name="limits"
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.CASCADE, related_name="limits"
    )
    group = models.ForeignKey(
        "auth.Group", null=True, blank=True, on_delete=models.CASCADE, related_name="limits"
    )
    resource = models.CharField(max_length=10, choices=Resource.choices)
    amount = models.PositiveBigIntegerField(
        validators=[MaxValueValidator(AMOUNT_MAX)], help_text="0 allows none at all."
    )
    period = models.CharField(max_length=10, choices=Period.choices)

    class Meta:
        ordering = ["audience", "resource", "period", "pk"]

    def __str__(self) -> str:
        return (
            f"{self.whose}: {self.amount:,} {self.get_resource_display()} in any {self.get_period_display()}"
        )

    @property
    def whose(self) -> str:
        """Whom it holds for, in words."""
        named = getattr(self, NAMED[Audience(self.audience)]) if self.audience in NAMED else None
        return f"{self.get_audience_display()} ({named})" if named else self.get_audience_display()

    def clean(self) -> None:
        """The audience decides which name is needed; there is one limit for each resource and period."""
        if self.audience not in Audience.values:
            return  # the field says so itself
        needed = NAMED.get(Audience(self.audience))
        for name in sorted(set(NAMED.values())):
            self._check_name(name, is_needed=name == needed)
        same = Limit.objects.filter(**self._place()).exclude(pk=self.pk)
        if same.exists():
            raise ValidationError(f"There is such a limit already: {same[0]}. Change that one.")

    def _check_name(self, name: str, *, is_needed: bool) -> None:
        has_name = getattr(self, f"{name}_id") is not None
        if has_name and not is_needed:
            raise ValidationError({name: f"Leave it empty: the limit is for {self.get_audience_display()}."})
        if is_needed and not has_name:
            raise ValidationError({name: f"Choose one: the limit is for {self.get_audience_display()}."})

    def _place(self) -> dict[str, Any]:
        fields = ("audience", "key_id", "user_id", "group_id", "resource", "period")
        return {name: getattr(self, name) for name in fields}
