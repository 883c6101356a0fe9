"""From when and until when models are open to a person, as the rules say it that admit them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from typing import Self

from django.db.models import Exists, OuterRef
from django.utils import timezone

from accounts.models import User
from training.access import checkpoints_for, signed_in
from training.access_rules.models import AccessRule
from training.models import Checkpoint

Subject = tuple[int | None, int | None]
"""What a rule names: a checkpoint or a flow, by its id; neither for every model."""


@dataclass(frozen=True)
class Window:
    """A rule admits from `opens_at` on and before `closes_at`; None where it says nothing."""

    opens_at: datetime | None
    closes_at: datetime | None

    def has(self, moment: datetime) -> bool:
        begun = self.opens_at is None or self.opens_at <= moment
        return begun and (self.closes_at is None or self.closes_at > moment)


class Availability:
    """What one person's rules say of each model at a moment. Administrators' say nothing: they have all."""

    def __init__(self, windows: dict[Subject, list[Window]], now: datetime) -> None:
        self._windows, self._now = windows, now

    @classmethod
    def of(cls, user: User | None) -> Self:
        """None stands for somebody who is not signed in."""
        person, windows = signed_in(user), dict[Subject, list[Window]]()
        if person is None or not person.is_staff:
            rules = AccessRule.objects.admitting(person).order_by("pk")
            for checkpoint, flow, *dates in rules.values_list(
                "checkpoint", "flow", "opens_at", "closes_at"
            ).distinct():
                windows.setdefault((checkpoint, flow), []).append(Window(*dates))
        return cls(windows, timezone.now())

    def until(self, checkpoint: Checkpoint) -> datetime | None:
        """When a model that is open now closes; None where nothing says so."""
        own, end = self._of(checkpoint), self._now
        while open_then := [window for window in own if window.has(end)]:
            ends = [window.closes_at for window in open_then if window.closes_at]
            if len(ends) < len(open_then):
                return None
            end = max(ends)
        return end if end > self._now else None

    def opening(self, checkpoint: Checkpoint) -> datetime | None:
        """When a model that is closed now opens; None where nothing says so."""
        begins = (window.opens_at for window in self._of(checkpoint) if window.opens_at)
        return min((begin for begin in begins if begin > self._now), default=None)

    def _of(self, checkpoint: Checkpoint) -> list[Window]:
        flow = checkpoint.job.flow_id if checkpoint.job else None
        subjects: Iterable[Subject] = {(None, None), (checkpoint.pk, None), (None, flow)}
        return list(chain.from_iterable(self._windows.get(subject, ()) for subject in subjects))


def checkpoints_to_come(user: User | None) -> list[Checkpoint]:
    """Models that are closed to a person now and will open to them, the next first."""
    availability = Availability.of(user)
    rules = AccessRule.objects.naming(OuterRef("pk"), OuterRef("job__flow")).admitting(signed_in(user))
    later = Exists(rules.filter(opens_at__gt=timezone.now()))
    found = Checkpoint.objects.filter(later).exclude(pk__in=checkpoints_for(user).values("pk"))
    dated = [(availability.opening(row), row) for row in found.select_related("job")]
    dated = [(opening, row) for opening, row in dated if opening]
    return [row for _, row in sorted(dated, key=lambda pair: (pair[0], pair[1].pk))]
