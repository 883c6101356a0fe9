"""People and the keys of their programs."""

from django.contrib.auth.models import AbstractUser
from django.db import models
from rest_framework_api_key.models import AbstractAPIKey


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
