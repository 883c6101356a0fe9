"""The token stores that this site knows."""

from pathlib import Path

from django.conf import settings
from django.db import models


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
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["created_at", "id"]

    def __str__(self) -> str:
        return self.name

    @property
    def path(self) -> Path:
        return settings.HOME / "stores" / self.name
