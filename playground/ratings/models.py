"""What people think of answers, what they allow to be done with it, and what became of it."""

from django.db import models
from django.db.models import Q

from playground.fields import WrittenTextField


class Opinion(models.TextChoices):
    UP = "up", "good"
    DOWN = "down", "not good"
    FLAG = "flag", "harmful or wrong"


class Rating(models.Model):
    """What the owner of a chat thinks of one of its answers."""

    message = models.OneToOneField("playground.Message", on_delete=models.CASCADE, related_name="rating")
    opinion = models.CharField(max_length=10, choices=Opinion.choices)
    comment = WrittenTextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True, db_index=True)
    reviewed_at = models.DateTimeField(null=True, help_text="When an administrator dealt with a flag.")

    class Meta:
        ordering = ["-updated_at"]

    def __str__(self) -> str:
        return f"{self.opinion} for {self.message_id}"


class Consent(models.Model):
    """That the owner of a chat lets it become training data, in the words that they read then."""

    thread = models.ForeignKey("playground.Thread", on_delete=models.CASCADE, related_name="consents")
    wording = models.TextField(help_text="What was agreed to, word for word.")
    given_at = models.DateTimeField(auto_now_add=True)
    withdrawn_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-given_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["thread"], condition=Q(withdrawn_at=None), name="one_living_consent_a_thread"
            )
        ]

    def __str__(self) -> str:
        return f"consent for {self.thread_id}"


class RatedRow(models.Model):
    """Which rated chat a row of a data set is. When the chat is deleted it stays, no longer saying whose."""

    dataset = models.UUIDField(help_text="Key of the data set, which may be gone; its stores may not.")
    line = models.PositiveIntegerField(help_text="The row, counted from 1.")
    opinion = models.CharField(max_length=10, choices=Opinion.choices)
    rated_at = models.DateTimeField()
    consented_at = models.DateTimeField()
    thread = models.ForeignKey("playground.Thread", null=True, on_delete=models.SET_NULL, related_name="+")
    withdrawn_at = models.DateTimeField(null=True, help_text="When its consent was taken back.")

    class Meta:
        ordering = ["dataset", "line"]
        constraints = [models.UniqueConstraint(fields=["dataset", "line"], name="one_chat_a_row")]

    def __str__(self) -> str:
        return f"row {self.line} of {self.dataset}"
