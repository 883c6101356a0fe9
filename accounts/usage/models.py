"""What was used, a row for each day, account, key, model and kind of request; and prices."""

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

PRICE_MAX = 1_000_000


class UsageKind(models.TextChoices):
    """What was asked for."""

    CHAT = "chat", "answers"
    TRACE = "trace", "traces"
    API = "api", "other requests"
    JOB = "job", "training"


class Usage(models.Model):
    """What one account, by one key or in the browser, took of one model on one day (UTC).

    `account` and `key_prefix` stay when the person or the key goes, so that sums never change afterwards.
    """

    day = models.DateField()
    account = models.CharField(
        max_length=20, blank=True, help_text="The account's number; empty: visitors without one."
    )
    user = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    key_prefix = models.CharField(max_length=8, blank=True, help_text="Of the API key; empty: in a browser.")
    model = models.CharField(max_length=120)
    kind = models.CharField(max_length=10, choices=UsageKind.choices)
    requests = models.PositiveBigIntegerField(default=0)
    prompt_tokens = models.PositiveBigIntegerField(default=0)
    completion_tokens = models.PositiveBigIntegerField(default=0)
    engine_ms = models.PositiveBigIntegerField(
        default=0, help_text="Milliseconds that engines or GPUs were at work on it, also beside others."
    )
    cost = models.DecimalField(
        max_digits=20, decimal_places=8, default=0, help_text="By the prices of that day."
    )

    class Meta:
        ordering = ["-day", "account", "model"]
        verbose_name_plural = "usage"
        constraints = [
            models.UniqueConstraint(
                fields=["day", "account", "key_prefix", "model", "kind"], name="one_usage_a_day"
            )
        ]

    def __str__(self) -> str:
        return f"{self.model} on {self.day} by {self.account or 'visitors'}"


def price_field(help_text: str) -> models.DecimalField:
    bounds = [MinValueValidator(0), MaxValueValidator(PRICE_MAX)]
    return models.DecimalField(
        max_digits=14, decimal_places=6, default=0, validators=bounds, help_text=help_text
    )


class Price(models.Model):
    """What a model's use costs; the one without a model is that of all others. Changes count from now on."""

    model = models.CharField(
        max_length=120, unique=True, blank=True, help_text="Name of the model; empty: all that have no price."
    )
    prompt_million = price_field("For a million tokens of prompts.")
    completion_million = price_field("For a million tokens of answers.")
    engine_hour = price_field("For an hour of an engine's or a GPU's work.")

    class Meta:
        ordering = ["model"]

    def __str__(self) -> str:
        return self.model or "all other models"
