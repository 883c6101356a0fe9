"""Chats as they were when somebody shared them."""

import uuid

from django.conf import settings
from django.db import models

from accounts.links import Link, LinkQuerySet
from accounts.owners import OwnedQuerySet
from playground.fields import WrittenJSONField, WrittenTextField


class SharedThreadQuerySet(OwnedQuerySet, LinkQuerySet):
    """Links, and whose they are."""


class SharedThread(Link):
    """A link by which anyone may read a chat as it was then, until it expires or its owner revokes it."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.CASCADE, related_name="shared_threads"
    )
    session_key = models.CharField(max_length=40, blank=True, db_index=True)
    thread = models.ForeignKey(
        "playground.Thread", null=True, on_delete=models.SET_NULL, related_name="shared"
    )
    digest = models.CharField(max_length=64, help_text="Of its turns: the same chat is not shared twice.")
    title = models.CharField(max_length=200)

    objects = SharedThreadQuerySet.as_manager()

    def __str__(self) -> str:
        return self.title


class SharedTurn(models.Model):
    """One turn of a shared chat; never changed after it is made, and gone once the link is revoked."""

    shared = models.ForeignKey(SharedThread, on_delete=models.CASCADE, related_name="turns")
    position = models.PositiveIntegerField()
    role = models.CharField(max_length=20)
    text = WrittenTextField(blank=True, help_text="As the message's, thinking included.")
    model = models.CharField(max_length=120, blank=True)
    note = models.CharField(max_length=100, blank=True, help_text="How the answer ended, if not by itself.")
    thinking_s = models.FloatField(null=True)
    trace = WrittenJSONField(null=True, help_text="As POST /v1/traces answers.")
    files = WrittenJSONField(
        default=list, help_text="Names and sizes of attached files: name, characters and pages."
    )
    calls = WrittenJSONField(
        default=list, help_text="Functions that it called: function, arguments, state and result."
    )
    written_at = models.DateTimeField()

    class Meta:
        ordering = ["position"]
        constraints = [models.UniqueConstraint(fields=["shared", "position"], name="one_turn_a_position")]

    def __str__(self) -> str:
        return f"turn {self.position} of {self.shared_id}"


class SharedLineup(Link):
    """A link by which anyone may read a comparison as it was then, with the difference of its traces."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.CASCADE, related_name="shared_lineups"
    )
    session_key = models.CharField(max_length=40, blank=True, db_index=True)
    lineup = models.ForeignKey(
        "playground.Lineup", null=True, on_delete=models.SET_NULL, related_name="shared"
    )
    digest = models.CharField(max_length=64, help_text="Of its sides: the same is not shared twice.")
    title = models.CharField(max_length=200)
    verdict = models.CharField(max_length=300, blank=True, help_text="What a blind vote on it found.")

    objects = SharedThreadQuerySet.as_manager()

    def __str__(self) -> str:
        return self.title


class SharedSide(models.Model):
    """One conversation of a shared comparison. Its link lives and ends with the comparison's."""

    lineup = models.ForeignKey(SharedLineup, on_delete=models.CASCADE, related_name="sides")
    place = models.PositiveSmallIntegerField()
    shared = models.OneToOneField(SharedThread, on_delete=models.CASCADE, related_name="side")

    class Meta:
        ordering = ["place"]
        constraints = [models.UniqueConstraint(fields=["lineup", "place"], name="one_shared_side_a_place")]

    def __str__(self) -> str:
        return f"side {self.place} of {self.lineup_id}"
