"""Going through a store's documents: which of them a rule blocks, which hold personal data."""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.db import transaction

from accounts.audit import Actor
from tracing.core.documents.blocking import Blocking
from tracing.core.documents.scanning import Scan, scan_store
from tracing.core.documents.traced import described
from tracing.core.errors import StoreMissing, TracingError
from tracing.documents import tokenizer_directory
from tracing.models import Store
from tracing.opening import open_store
from tracing.withholding.acts import add_withholdings, in_parts
from tracing.withholding.models import BlockRule, Reason, Sweep, SweepKind, Withholding
from tracing.withholding.sweeps import SweepLost, advance, claim, fail, finish, release

BATCH = 2000  # documents whose metadata are compared with the rules in one transaction
EVERY_S = 2.0  # between two writes of the progress while nothing is found

Report = Callable[[Sweep], None]


@dataclass
class Batch:
    """What was found up to document `stop`: documents that each rule blocks, or with personal data."""

    stop: int
    blocked: Mapping[int, list[int]] = field(default_factory=dict)
    personal: Mapping[int, Mapping[str, int]] = field(default_factory=dict)


def run_sweep(
    sweep_id: int, report: Report = lambda sweep: None, processes: int | None = None
) -> Sweep | None:
    """Run a sweep to its end, from where the last attempt left it; None where another attempt has it."""
    sweep = claim(sweep_id)
    if sweep is None:
        return None
    try:
        store = store_of(sweep)
        sweep_through(sweep, store, batches_of(sweep, store, processes or settings.SCAN_PROCESSES), report)
        finish(sweep)
    except SweepLost:
        return None
    except TracingError as error:
        fail(sweep, str(error))
    except Exception as error:
        fail(sweep, f"Something broke in Headwater ({type(error).__name__}); its log has the details.")
        raise
    except BaseException:  # Ctrl-C, or a worker that is told to stop
        release(sweep)
        raise
    return sweep


def store_of(sweep: Sweep) -> Store:
    store = Store.objects.filter(name=sweep.store_name, digest=sweep.digest).first()
    if store is None:
        raise StoreMissing(f"{sweep.store_name} was built anew or removed since: start another sweep.")
    return store


def sweep_through(sweep: Sweep, store: Store, batches: Iterator[Batch], report: Report) -> None:
    """Withhold what the batches found, each in one transaction with the progress."""
    began, first, written = time.monotonic(), sweep.done, time.monotonic()
    for batch in batches:
        found = batch.blocked or batch.personal
        if not found and batch.stop < sweep.total and time.monotonic() - written < EVERY_S:
            continue  # nothing is lost with it but the time to look at these documents again
        pace = (batch.stop - first) / max(time.monotonic() - began, 1e-9)
        eta_s = (sweep.total - batch.stop) / pace
        record_batch(sweep, store, batch, eta_s)
        written = time.monotonic()
        report(sweep)


@transaction.atomic
def record_batch(sweep: Sweep, store: Store, batch: Batch, eta_s: float) -> None:
    found = withhold_blocked(sweep, store, batch.blocked) + withhold_personal(sweep, store, batch.personal)
    kinds = Counter(sweep.kinds) + Counter(kind for row in found for kind in row.kinds)
    numbers = len({row.document for row in found})
    advance(sweep, done=batch.stop, eta_s=eta_s, found=sweep.found + numbers, kinds=dict(kinds))


def withhold_blocked(sweep: Sweep, store: Store, blocked: Mapping[int, list[int]]) -> list[Withholding]:
    """Rows for the documents of each rule, unless the rule was lifted while the store was gone through."""
    made: list[Withholding] = []
    for rule in BlockRule.objects.select_for_update().filter(pk__in=blocked, lifted_at=None):
        documents = {number: {} for number in blocked[rule.pk]}
        made += add_withholdings(store, documents, Reason.BLOCKED, by=Actor(rule.by), rule=rule)
    return made


def withhold_personal(
    sweep: Sweep, store: Store, found: Mapping[int, Mapping[str, int]]
) -> list[Withholding]:
    """Rows for documents with personal data, but for those that a person has looked at and restored."""
    judged: dict[int, set[str]] = {}
    mine = Withholding.objects.filter(
        store_name=store.name, digest=store.digest, reason=Reason.PERSONAL_DATA, lifted_at__isnull=False
    )
    for some in in_parts(found):
        for number, kinds in mine.filter(document__in=some).values_list("document", "kinds"):
            judged.setdefault(number, set()).update(kinds)
    new = {number: kinds for number, kinds in found.items() if not kinds.keys() <= judged.get(number, set())}
    if not new:
        return []
    return add_withholdings(store, new, Reason.PERSONAL_DATA, by=Actor(sweep.by))


def batches_of(sweep: Sweep, store: Store, processes: int) -> Iterator[Batch]:
    if sweep.kind == SweepKind.BLOCKS:
        return blocked_batches(sweep, store)
    return personal_batches(sweep, store, processes)


def blocked_batches(sweep: Sweep, store: Store) -> Iterator[Batch]:
    """Which documents the sweep's rule, or else every rule in force, blocks."""
    rules = [sweep.rule] if sweep.rule else list(BlockRule.objects.filter(lifted_at=None))
    asked = [(rule.pk, blocking_of(rule)) for rule in rules]
    reader = open_store(store)
    for first in range(sweep.done, store.documents, BATCH):
        stop = min(first + BATCH, store.documents)
        blocked: dict[int, list[int]] = {}
        for number in range(first, stop):
            metadata = described(reader, reader.metadata(number))
            for key in [key for key, blocking in asked if blocking.fits(metadata)]:
                blocked.setdefault(key, []).append(number)
        yield Batch(stop, blocked=blocked)


def blocking_of(rule: Any) -> Blocking:
    return Blocking(kind=rule.kind, value=rule.value, field=rule.field)


def personal_batches(sweep: Sweep, store: Store, processes: int) -> Iterator[Batch]:
    """Which documents hold the kinds of personal data that the sweep looks for."""
    open_store(store)  # what is wrong with it is said here, not by a child
    scan = Scan(store.path, tokenizer_directory(store), tuple(sweep.looks_for), processes)
    for stop, found in scan_store(scan, store.documents, sweep.done, tick=lambda: advance(sweep)):
        yield Batch(stop, personal=found)
