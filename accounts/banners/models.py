"""Notices that administrators put at the top of every page."""

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.utils import timezone


class BannerTone(models.TextChoices):
    NOTE = "note", "a note"
    WARNING = "warning", "a warning"


class BannerAudience(models.TextChoices):
    EVERYONE = "everyone", "everyone"
    SIGNED_IN = "signed-in", "people who are signed in"
    STAFF = "staff", "administrators"


class BannerQuerySet(models.QuerySet["Banner"]):
    def shown_to(self, user: object) -> "BannerQuerySet":
        """Those that are on now and concern this person, signed in or not."""
        audiences = [BannerAudience.EVERYONE]
        if getattr(user, "is_authenticated", False):
            audiences.append(BannerAudience.SIGNED_IN)
        if getattr(user, "is_staff", False):
            audiences.append(BannerAudience.STAFF)
        now = timezone.now()
        begun = Q(starts_at=None) | Q(starts_at__lte=now)
        return self.filter(begun, Q(ends_at=None) | Q(ends_at__gt=now), audience__in=audiences)


class Banner(models.Model):
    """A few words at the top of every page, from when until when, and for whom."""

    text = models.CharField(max_length=500, help_text="Plain words; addresses in it become links.")
    tone = models.CharField(max_length=20, choices=BannerTone.choices, default=BannerTone.NOTE)
    audience = models.CharField(
        max_length=20, choices=BannerAudience.choices, default=BannerAudience.EVERYONE
    )
    starts_at = models.DateTimeField(null=True, blank=True, help_text="Empty: now.")
    ends_at = models.DateTimeField(null=True, blank=True, help_text="Empty: until it is deleted.")
    dismissible = models.BooleanField(default=True, help_text="People may hide it, for their session.")

    objects = BannerQuerySet.as_manager()

    class Meta:
        ordering = ["-tone", "id"]

    def __str__(self) -> str:
        return self.text if len(self.text) <= 60 else f"{self.text[:59]}…"

    def clean(self) -> None:
        if self.starts_at and self.ends_at and self.ends_at <= self.starts_at:
            raise ValidationError({"ends_at": "It would end before it starts. Choose a later time."})
