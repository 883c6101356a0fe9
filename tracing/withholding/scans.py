"""Scans of stores for personal data: what the command, the import and the admin start."""

import time
from collections.abc import Collection

from django.conf import settings

from accounts.audit import Actor
from tracing.core.documents.personal_data import check_kinds
from tracing.models import Store
from tracing.withholding.models import Sweep, SweepKind, SweepState
from tracing.withholding.passes import Report, run_sweep
from tracing.withholding.sweeps import start_sweep

WAIT_S = 2.0


def start_scan(*, store: Store, by: Actor, kinds: Collection[str] = (), in_background: bool = True) -> Sweep:
    """A scan of the store for these kinds of personal data, by default those of HEADWATER_PERSONAL_DATA.

    Raises InputError for a kind that there is not.
    """
    chosen = tuple(kinds or settings.PERSONAL_DATA)
    check_kinds(chosen)
    return start_sweep(
        kind=SweepKind.PERSONAL_DATA, store=store, by=by, looks_for=chosen, in_background=in_background
    )


def scan_now(
    *, store: Store, by: Actor, kinds: Collection[str] = (), report: Report, processes: int | None = None
) -> Sweep:
    """A scan run by the caller, who waits for it. One that was killed goes on from where it was.

    While another process is at work on the same scan, this one reports that one's progress; it takes over
    if nothing is heard of the other any more. Raises InputError for a kind that there is not.
    """
    sweep = start_scan(store=store, by=by, kinds=kinds, in_background=False)
    while run_sweep(sweep.pk, report, processes) is None:
        sweep.refresh_from_db()
        if sweep.state in {SweepState.DONE, SweepState.FAILED}:
            break
        report(sweep)
        time.sleep(WAIT_S)
    sweep.refresh_from_db()
    return sweep
