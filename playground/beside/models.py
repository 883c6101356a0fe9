"""Conversations that stand beside each other, and blind votes on them."""

import uuid
from urllib.parse import urlencode

from django.db import models
from django.urls import reverse


class LineupQuerySet(models.QuerySet["Lineup"]):
    def within(self, threads: models.QuerySet) -> "LineupQuerySet":  # type: ignore[type-arg]
        """Those of which every conversation is among `threads`."""
        mine = Seat.objects.filter(thread__in=threads).values("lineup")
        others = Seat.objects.exclude(thread__in=threads).values("lineup")
        return self.filter(pk__in=mine).exclude(pk__in=others)

    def veiled(self) -> "LineupQuerySet":
        """Those in which nobody may see yet which model is which."""
        return self.filter(blind=True, vote=None)


class Lineup(models.Model):
    """Two or three conversations beside each other: the same prompts to as many models. Its threads' owner is
    its own."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    blind = models.BooleanField(
        default=False, help_text="Which model is which stays hidden until there is a vote."
    )
    created_at = models.DateTimeField(auto_now_add=True)

    objects = LineupQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"lineup {self.pk}"

    @property
    def title(self) -> str:
        """What its conversations are called."""
        first = next(iter(self.seats.all()), None)
        return first.thread.title if first else "Models beside each other"

    @property
    def is_veiled(self) -> bool:
        """Whether nobody may see yet which model is which."""
        return self.blind and not hasattr(self, "vote")


class Seat(models.Model):
    """The place of a conversation in a lineup, counted from 0."""

    lineup = models.ForeignKey(Lineup, on_delete=models.CASCADE, related_name="seats")
    place = models.PositiveSmallIntegerField()
    thread = models.OneToOneField("playground.Thread", on_delete=models.CASCADE, related_name="seat")

    class Meta:
        ordering = ["place"]
        constraints = [models.UniqueConstraint(fields=["lineup", "place"], name="one_seat_a_place")]

    def __str__(self) -> str:
        return f"seat {self.place} of {self.lineup_id}"


class Verdict(models.TextChoices):
    BETTER = "better", "one is better"
    TIE = "tie", "equally good"
    BAD = "bad", "none is good"


class Vote(models.Model):
    """What somebody found who did not know which model was which. Once cast it stays."""

    lineup = models.OneToOneField(Lineup, on_delete=models.CASCADE, related_name="vote")
    verdict = models.CharField(max_length=10, choices=Verdict.choices)
    winner = models.PositiveSmallIntegerField(null=True, help_text="The place of the better one.")
    names = models.JSONField(help_text="Names of the models by place, as they were called then.")
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"{self.verdict} in {self.lineup_id}"

    @property
    def preferred(self) -> str:
        """The better model's name; empty where none was better."""
        return self.names[self.winner] if self.winner is not None else ""

    @property
    def again(self) -> str:
        """Where the same models can be compared once more."""
        asked = dict(zip("abc", self.names, strict=False)) | {"blind": "1"}
        return f"{reverse('beside')}?{urlencode(asked)}"
