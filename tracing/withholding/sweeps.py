"""The life of a sweep: queued -> running -> done or failed.

Every change of a running one goes through the attempt that holds it, so that of two that race only one does
anything. An attempt that has not been heard of for a while may be taken over; the next one goes on from the
last document that was dealt with.
"""

import logging
import uuid
from contextlib import suppress
from datetime import timedelta
from functools import partial

from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from kombu.exceptions import OperationalError as BrokerUnreachable

from accounts.audit import Actor, record_act
from tracing.models import Store
from tracing.withholding.models import BlockRule, Sweep, SweepKind, SweepState

log = logging.getLogger(__name__)

STALE = timedelta(seconds=30)
UNHEARD = timedelta(minutes=2)
"""A queued sweep that nobody took for so long has lost its message."""


class SweepLost(Exception):
    """The sweep is no longer this attempt's."""


@transaction.atomic
def start_sweep(
    *,
    kind: SweepKind,
    store: Store,
    by: Actor,
    rule: BlockRule | None = None,
    looks_for: tuple[str, ...] = (),
    in_background: bool = True,
) -> Sweep:
    """A sweep over all of the store's documents, logged, and given to the workers unless the caller runs it.

    One like it that has not ended yet is taken up again instead of a second one.
    """
    same = {"kind": kind, "store_name": store.name, "digest": store.digest, "rule": rule}
    same["looks_for"] = sorted(looks_for)
    sweep = Sweep.objects.exclude(state=SweepState.DONE).filter(**same).first()
    if sweep is None:
        sweep = Sweep.objects.create(**same, total=store.documents, by=by.name)
    elif sweep.state == SweepState.FAILED:
        reset(sweep)
    detail = {"sweep": sweep.pk, "looks for": sweep.looks_for, "rule": str(rule) if rule else ""}
    record_act(
        by=by, action=sweep.kind, object_type="store", object_id=store.name, label=str(sweep), detail=detail
    )
    if in_background:
        transaction.on_commit(partial(send, sweep.pk))
    return sweep


def requeue(sweep: Sweep) -> None:
    """Give a sweep that failed or was abandoned to the workers again, from where it is."""
    reset(sweep)
    transaction.on_commit(partial(send, sweep.pk))


def reset(sweep: Sweep) -> None:
    Sweep.objects.filter(pk=sweep.pk).update(state=SweepState.QUEUED, error="", attempt="")


@transaction.atomic
def stop_sweep(*, sweep: Sweep, by: Actor) -> bool:
    """End a sweep where it is; what it withheld stays so, and it can go on later. False if it had ended."""
    going = Sweep.objects.filter(pk=sweep.pk, state__in=[SweepState.QUEUED, SweepState.RUNNING])
    if not going.update(state=SweepState.FAILED, error=f"Stopped by {by.name}.", attempt=""):
        return False
    record_act(
        by=by, action="stop", object_type="store", object_id=sweep.store_name, label=str(sweep), detail={}
    )
    return True


def send(sweep_id: int) -> None:
    """Tell the workers. Without a broker the sweep stays queued, to be sent again later."""
    from tracing.tasks import run_sweep

    try:
        run_sweep.apply_async((sweep_id,), retry=False)
    except BrokerUnreachable as error:
        log.warning("sweep %d stays queued: Redis does not answer (%s)", sweep_id, error)


def abandoned() -> Q:
    """Running, and surely without anyone who works on it."""
    return Q(state=SweepState.RUNNING, heartbeat_at__lt=timezone.now() - STALE)


def claim(sweep_id: int) -> Sweep | None:
    """Take a queued or abandoned sweep for a new attempt; None where there is nothing to take."""
    attempt, now = uuid.uuid4().hex, timezone.now()
    free = Sweep.objects.filter(Q(state=SweepState.QUEUED) | abandoned(), pk=sweep_id)
    if not free.update(state=SweepState.RUNNING, attempt=attempt, heartbeat_at=now, error=""):
        return None
    return Sweep.objects.select_related("rule").get(pk=sweep_id)


def advance(sweep: Sweep, **fields: object) -> None:
    """A sign of life, with whatever moved. Raises SweepLost where another attempt has the sweep."""
    fields["heartbeat_at"] = timezone.now()
    held = Sweep.objects.filter(pk=sweep.pk, attempt=sweep.attempt, state=SweepState.RUNNING)
    if not held.update(**fields):
        raise SweepLost(f"{sweep} is no longer held by this attempt")
    for name, value in fields.items():
        setattr(sweep, name, value)


@transaction.atomic
def finish(sweep: Sweep) -> None:
    """The end of a sweep, with what it found in the audit log."""
    advance(sweep, state=SweepState.DONE, finished_at=timezone.now(), eta_s=0)
    detail = {"sweep": sweep.pk, "withheld": sweep.found, "of": sweep.total, "kinds": sweep.kinds}
    record_act(
        by=Actor(sweep.by),
        action=f"{sweep.kind} finished",
        object_type="store",
        object_id=sweep.store_name,
        label=str(sweep),
        detail=detail,
    )


def fail(sweep: Sweep, reason: str) -> None:
    """What went wrong, for a person to put right and try again; what was withheld stays so."""
    advance(sweep, state=SweepState.FAILED, error=reason, eta_s=None)


def release(sweep: Sweep) -> None:
    """Give a sweep back unharmed, as somebody does who is told to stop; the next one goes on from there."""
    with suppress(SweepLost):
        advance(sweep, state=SweepState.QUEUED, attempt="", eta_s=None)


def recover_sweeps() -> list[Sweep]:
    """Send sweeps whose worker died, or whose message was lost, to the workers again."""
    long_ago = timezone.now() - UNHEARD
    sent_long_ago = Q(heartbeat_at=None) | Q(heartbeat_at__lt=long_ago)
    unheard = Q(state=SweepState.QUEUED, created_at__lt=long_ago) & sent_long_ago
    sweeps = list(Sweep.objects.filter(abandoned() | unheard))
    for sweep in sweeps:
        Sweep.objects.filter(pk=sweep.pk, state=SweepState.QUEUED).update(heartbeat_at=timezone.now())
        send(sweep.pk)
    return sweeps
