"""Presets: settings that somebody kept."""

import uuid

from django.conf import settings
from django.db import models

from accounts.owners import OwnedQuerySet
from training.models import Checkpoint

NAME_CHARACTERS = 60


class Preset(models.Model):
    """Parameters of answers under a name, perhaps with the model that they are for, and whose they are."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.CASCADE, related_name="presets"
    )
    session_key = models.CharField(max_length=40, blank=True, db_index=True)
    name = models.CharField(max_length=NAME_CHARACTERS)
    checkpoint = models.ForeignKey(
        Checkpoint, null=True, on_delete=models.SET_NULL, related_name="+", help_text="Chosen with it."
    )
    parameters = models.JSONField(default=dict, help_text="As an answer's message keeps them.")
    updated_at = models.DateTimeField(auto_now=True)

    objects = OwnedQuerySet.as_manager()

    class Meta:
        ordering = ["name", "id"]

    def __str__(self) -> str:
        return self.name
