"""Conversations and their messages."""

import uuid

from django.conf import settings
from django.db import models
from django.utils import timezone

from accounts.owners import OwnedQuerySet
from playground.fields import WrittenJSONField, WrittenTextField
from training.models import Checkpoint


class ThreadQuerySet(OwnedQuerySet):
    def kept(self) -> "ThreadQuerySet":
        """Without those that were deleted, though they can be had back for a while."""
        return self.filter(deleted_at=None)

    def listed(self) -> "ThreadQuerySet":
        """Those that a history shows: kept, not temporary, and not beside another."""
        return self.kept().filter(temporary=False, seat=None)


class Thread(models.Model):
    """A conversation. Its messages are a tree: what was edited or asked again stands beside the first."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.CASCADE, related_name="threads"
    )
    session_key = models.CharField(max_length=40, blank=True, db_index=True)
    title = models.CharField(max_length=200)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(default=timezone.now, db_index=True)
    leaf = models.ForeignKey(
        "Message",
        null=True,
        on_delete=models.SET_NULL,
        related_name="+",
        help_text="The end of the path that is shown; where there is none, the newest message.",
    )
    forked_from = models.ForeignKey(
        "Message",
        null=True,
        on_delete=models.SET_NULL,
        related_name="forks",
        help_text="The message of another thread up to which this one was copied.",
    )
    temporary = models.BooleanField(
        default=False, help_text="Kept out of the history, and deleted some time after its last message."
    )
    deleted_at = models.DateTimeField(
        null=True, db_index=True, help_text="Since when it is deleted; it can be had back for a while."
    )

    objects = ThreadQuerySet.as_manager()

    class Meta:
        ordering = ["-updated_at"]

    def __str__(self) -> str:
        return self.title


class Role(models.TextChoices):
    USER = "user", "you"
    ASSISTANT = "assistant", "model"


class MessageState(models.TextChoices):
    WRITING = "writing", "being written"
    COMPLETE = "complete", "complete"
    STOPPED = "stopped", "stopped by you"
    INTERRUPTED = "interrupted", "interrupted"
    FAILED = "failed", "failed"


class Message(models.Model):
    """One turn. An answer keeps the model's own token ids: its text is their decoding and nothing else."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    thread = models.ForeignKey(Thread, on_delete=models.CASCADE, related_name="messages")
    parent = models.ForeignKey(
        "self",
        null=True,
        on_delete=models.CASCADE,
        related_name="replies",
        help_text="The message before it; none for the first.",
    )
    position = models.PositiveIntegerField(help_text="How many messages stand before it on its path.")
    role = models.CharField(max_length=20, choices=Role.choices)
    state = models.CharField(max_length=20, choices=MessageState.choices, default=MessageState.COMPLETE)
    raw_text = WrittenTextField(
        blank=True, help_text="A person's text, or all that the model wrote, thinking included."
    )
    token_ids = models.JSONField(default=list)
    checkpoint = models.ForeignKey(Checkpoint, null=True, on_delete=models.SET_NULL)
    parameters = models.JSONField(default=dict, help_text="Sampling parameters of the generation.")
    finish_reason = models.CharField(max_length=30, blank=True)
    error = WrittenTextField(blank=True)
    thinking_s = models.FloatField(null=True)
    trace = WrittenJSONField(
        null=True, help_text="Spans, documents and coverage, as POST /v1/traces answers."
    )
    imported = models.BooleanField(
        default=False, help_text="Came from a file: nobody here saw the model write it."
    )
    writer = models.UUIDField(
        null=True, help_text="Whose writing may be saved while it is written: one attempt, and no other."
    )
    created_at = models.DateTimeField(auto_now_add=True)
    first_token_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["position"]
        indexes = [models.Index(fields=["thread", "position"], name="message_by_position")]
        constraints = [
            models.UniqueConstraint(
                fields=["thread"], condition=models.Q(state="writing"), name="one_answer_written_a_thread"
            )
        ]

    def __str__(self) -> str:
        return f"{self.role} {self.position} of {self.thread_id}"
