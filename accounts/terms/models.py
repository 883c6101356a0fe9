"""Versions of the terms of use, and who accepted which."""

from typing import Any, Self

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.utils import timezone

from accounts.owners import OwnedQuerySet

TEXT_CHARACTERS_MAX = 100_000


class TermsQuerySet(models.QuerySet["Terms"]):
    def in_force(self) -> "Terms | None":
        """The version that has to be accepted now, if any."""
        return self.filter(published_at__lte=timezone.now()).order_by("-version").first()


class Terms(models.Model):
    """One version of the terms of use. From the moment it is published its text stays what it is."""

    version = models.PositiveIntegerField(unique=True, editable=False)
    title = models.CharField(max_length=200, default="Terms of use")
    text = models.TextField(max_length=TEXT_CHARACTERS_MAX, help_text="Markdown.")
    changes = models.TextField(
        blank=True, max_length=2000, help_text="What is new since the version before, in a few words."
    )
    published_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="From then on nobody goes on without accepting this version, and its text cannot be "
        "changed. Empty: a draft.",
    )

    objects = TermsQuerySet.as_manager()

    class Meta:
        ordering = ["-version"]
        verbose_name_plural = "terms"

    def __str__(self) -> str:
        return f"{self.title}, version {self.version}"

    def save(self, *args: Any, **options: Any) -> None:
        """A new version has the number after the last."""
        if not self.version:
            last = Terms.objects.aggregate(last=models.Max("version"))["last"] or 0
            self.version = last + 1
        super().save(*args, **options)

    @property
    def is_published(self) -> bool:
        return self.published_at is not None and self.published_at <= timezone.now()

    def clean(self) -> None:
        kept = Terms.objects.filter(pk=self.pk).first()
        if kept is not None and kept.is_published:
            raise ValidationError("People have been asked to accept this version: write a new one instead.")


class AcceptanceQuerySet(OwnedQuerySet):
    def of_version(self, terms: Terms) -> Self:
        return self.filter(terms=terms)


class TermsAcceptance(models.Model):
    """That a person, or a browser without an account, accepted a version, and when."""

    terms = models.ForeignKey(Terms, on_delete=models.PROTECT, related_name="acceptances")
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.CASCADE, related_name="accepted_terms"
    )
    session_key = models.CharField(max_length=40, blank=True, db_index=True)
    accepted_at = models.DateTimeField(auto_now_add=True)

    objects = AcceptanceQuerySet.as_manager()

    class Meta:
        ordering = ["-accepted_at"]

    def __str__(self) -> str:
        return f"{self.owner or 'a browser'} accepted {self.terms}"
