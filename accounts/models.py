"""People, the keys of their programs, and the log of what was done."""

from typing import Any, NoReturn

from django.contrib.auth.models import AbstractUser
from django.db import models
from rest_framework_api_key.models import AbstractAPIKey

from accounts.banners.models import Banner as Banner
from accounts.limits.models import Limit as Limit
from accounts.terms.models import Terms as Terms
from accounts.terms.models import TermsAcceptance as TermsAcceptance
from accounts.usage.models import Price as Price
from accounts.usage.models import Usage as Usage


class Scope(models.TextChoices):
    """What a key may do. A request that needs another scope gets a 403."""

    CHAT = "chat", "talk to models"
    TRACE = "trace", "trace text and read documents"
    TRAIN = "train", "start and steer training jobs"
    ADMIN = "admin", "administer the site"


class User(AbstractUser):
    """A person with an account. Our own model from the first day, so that fields can be added later."""


class ApiKey(AbstractAPIKey):
    """A program's key: shown once when made, kept only as a hash."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="api_keys")
    scopes = models.JSONField(
        default=list, help_text="What the key may do: any of chat, trace, train, admin."
    )
    last_used_at = models.DateTimeField(null=True, editable=False)

    class Meta(AbstractAPIKey.Meta):
        verbose_name = "API key"
        verbose_name_plural = "API keys"

    def allows(self, scope: str) -> bool:
        return scope in self.scopes


class AuditLogIsAppendOnly(Exception):
    """Something tried to change or delete an entry of the audit log."""


class AuditQuerySet(models.QuerySet["AuditEntry"]):
    """Entries are added and read, nothing else."""

    def refuse(self, *args: Any, **fields: Any) -> NoReturn:
        raise AuditLogIsAppendOnly("Entries of the audit log are never changed or deleted.")

    update = delete = bulk_update = update_or_create = refuse


class AuditEntry(models.Model):
    """Who did what to which object, when and from where: written in the same transaction as the act."""

    at = models.DateTimeField(auto_now_add=True, db_index=True)
    actor = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    actor_name = models.CharField(
        max_length=200, help_text="The person's name at the time, or the command; stays if the account goes."
    )
    key = models.CharField(max_length=80, blank=True, help_text="Name and prefix of the API key, if any.")
    address = models.CharField(max_length=45, blank=True, help_text="Where the request came from.")
    action = models.CharField(max_length=60, db_index=True)
    object_type = models.CharField(max_length=60)
    object_id = models.CharField(max_length=200)
    label = models.CharField(max_length=300, help_text="What the object was called.")
    detail = models.JSONField(default=dict)

    objects = AuditQuerySet.as_manager()

    class Meta:
        ordering = ["-at", "-id"]
        verbose_name_plural = "audit entries"
        indexes = [models.Index(fields=["object_type", "object_id"], name="audit_by_object")]

    def __str__(self) -> str:
        return f"{self.actor_name}: {self.action} {self.label}"

    def save(self, *args: Any, **options: Any) -> None:
        if self.pk is not None:
            raise AuditLogIsAppendOnly("Entries of the audit log are never changed.")
        super().save(*args, **options)

    def delete(self, *args: Any, **options: Any) -> NoReturn:
        raise AuditLogIsAppendOnly("Entries of the audit log are never deleted.")
