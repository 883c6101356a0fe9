"""Rules that block documents: made, lifted, and applied to stores that are new."""

from django.db import transaction
from django.utils import timezone

from accounts.audit import Actor, record_act
from tracing.models import Store
from tracing.withholding.acts import check_note, next_version
from tracing.withholding.models import BlockRule, Sweep, SweepKind, Withholding
from tracing.withholding.passes import blocking_of, run_sweep
from tracing.withholding.sweeps import start_sweep

AT_ONCE = 20_000
"""Documents of a new store that are checked before it is registered; a larger one is checked by a worker."""


@transaction.atomic
def block_documents(*, rule: BlockRule, by: Actor) -> list[Sweep]:
    """Put a new rule in force: the workers go through all stores. Raises InputError for one without sense."""
    blocking_of(rule)
    check_note(rule.note)
    rule.by = by.name
    rule.save()
    record_rule(rule, "block", by, rule.note)
    kind = SweepKind.BLOCKS
    return [start_sweep(kind=kind, store=store, by=by, rule=rule) for store in Store.objects.all()]


@transaction.atomic
def lift_rule(*, rule: BlockRule, by: Actor) -> int:
    """Take a rule out of force: what it alone withheld is shown at once. Returns how many it withheld."""
    now = timezone.now()
    if not BlockRule.objects.filter(pk=rule.pk, lifted_at=None).update(lifted_at=now, lifted_by=by.name):
        return 0
    rows = Withholding.objects.in_force().filter(rule=rule)
    lifted = 0
    for store_name, digest in rows.values_list("store_name", "digest").distinct().order_by():
        version = next_version(store_name, digest)
        mine = rows.filter(store_name=store_name, digest=digest)
        lifted += mine.update(lifted_at=now, lifted_by=by.name, version=version)
    record_rule(rule, "lift block", by, f"{lifted} documents")
    return lifted


def apply_rules(store: Store, by: Actor) -> None:
    """Check a new store by the rules in force: here and now, or in the background where it is large."""
    if BlockRule.objects.filter(lifted_at=None).exists():
        small = store.documents <= AT_ONCE
        sweep = start_sweep(kind=SweepKind.BLOCKS, store=store, by=by, in_background=not small)
        if small:
            run_sweep(sweep.pk)


def record_rule(rule: BlockRule, action: str, by: Actor, note: str) -> None:
    record_act(
        by=by, action=action, object_type="rule", object_id=rule.pk, label=str(rule), detail={"note": note}
    )
