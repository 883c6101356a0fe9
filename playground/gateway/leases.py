"""Leases in the database: while one lives, the supervisor leaves the engine's weights where they are."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q, QuerySet, Sum
from django.db.models.functions import Coalesce
from django.utils import timezone

from playground.models import Engine, EngineLease, EngineState

LEASE_S = 20.0
HEARTBEAT_S = 20.0
"""An engine whose supervisor has not been heard for so long is taken for dead."""


@dataclass(frozen=True)
class EngineSeen:
    """An engine that takes new answers. `since`: when it had loaded what it holds; a new load is a new time.

    elsewhere: answers that other processes write on it, as they said last.
    """

    slot: int
    since: datetime | None
    checkpoint: int
    address: str
    kind: str
    elsewhere: int


@dataclass(frozen=True)
class Look:
    """The engines as the database had them, and which of the leases asked about live."""

    engines: tuple[EngineSeen, ...]
    leases: frozenset[int]


def look_at_engines(leases: Collection[int]) -> Look:
    """`leases` are the asking process's own; their answers are not counted as somebody else's."""
    others = Q(leases__expires_at__gt=timezone.now()) & ~Q(leases__pk__in=leases)
    answers = Coalesce(Sum("leases__answers", filter=others), 0)
    engines = Engine.objects.filter(takes_answers()).annotate(elsewhere=answers)
    living = EngineLease.objects.filter(pk__in=leases, expires_at__gt=timezone.now())
    return Look(
        tuple(
            EngineSeen(e.slot, e.ready_at, e.checkpoint_id, e.address, e.kind, e.elsewhere) for e in engines
        ),
        frozenset(living.values_list("pk", flat=True)) if leases else frozenset(),
    )


def takes_answers() -> Q:
    heard = timezone.now() - timedelta(seconds=HEARTBEAT_S)
    return Q(state=EngineState.READY, checkpoint__isnull=False, heartbeat_at__gte=heard)


def take_lease(engine: EngineSeen) -> EngineLease | None:
    """A lease on it, unless it has been given to another checkpoint meanwhile.

    The engine's row is locked (SQLite: the database), so that it is either leased or swapped, never both.
    """
    with transaction.atomic():
        row = Engine.objects.select_for_update().filter(takes_answers(), slot=engine.slot).first()
        if row is None or (row.checkpoint_id, row.ready_at) != (engine.checkpoint, engine.since):
            return None
        lease = EngineLease.objects.create(engine=row, expires_at=lease_end())
        Engine.objects.filter(pk=row.pk).update(used_at=timezone.now())
    return lease


def living_leases(engine: Engine) -> QuerySet[EngineLease]:
    """Leases of processes that live; those of dead ones expire by themselves."""
    return engine.leases.filter(expires_at__gt=timezone.now())


def lease_end() -> datetime:
    return timezone.now() + timedelta(seconds=LEASE_S)


def renew(answers: dict[int, int]) -> datetime:
    """Prolong leases, each with how many answers are written under it; returns until when."""
    until = lease_end()
    for lease, count in answers.items():
        EngineLease.objects.filter(pk=lease).update(expires_at=until, answers=count)
    return until


def give_back(lease: int) -> None:
    Engine.objects.filter(leases__pk=lease).update(used_at=timezone.now())
    EngineLease.objects.filter(pk=lease).delete()
