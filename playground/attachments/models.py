"""Files that people attached to messages. Only their text is kept."""

import uuid

from django.conf import settings
from django.db import models

from accounts.owners import OwnedQuerySet


class AttachmentKind(models.TextChoices):
    """The values are spelt as playground/core/attachments spells them."""

    TEXT = "text", "text"
    MARKDOWN = "markdown", "Markdown"
    CODE = "code", "code"
    PDF = "pdf", "PDF"


class Attachment(models.Model):
    """The text of one file, and whose it is. It may go with several messages: those of forks and edits."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.CASCADE, related_name="attachments"
    )
    session_key = models.CharField(max_length=40, blank=True, db_index=True)
    name = models.CharField(
        max_length=200, help_text="The file's name, to be read by people; it is never part of a path."
    )
    kind = models.CharField(max_length=20, choices=AttachmentKind.choices)
    language = models.CharField(max_length=40, blank=True, help_text="Of code: as a fence names it.")
    text = models.TextField(help_text="What the model is given.")
    characters = models.PositiveIntegerField(help_text="Of the text.")
    pages = models.PositiveIntegerField(null=True, help_text="Of a PDF.")
    size_bytes = models.PositiveIntegerField(help_text="Of the file as it came.")
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)
    messages = models.ManyToManyField("playground.Message", related_name="attachments")

    objects = OwnedQuerySet.as_manager()

    class Meta:
        ordering = ["created_at", "id"]

    def __str__(self) -> str:
        return self.name
