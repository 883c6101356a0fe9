"""Traces that people keep: each on an address of its own, for its owner."""

import re
import uuid
from typing import Any

from accounts.owners import Owner
from tracing.models import KeptKind, KeptTrace, Share

KEPT_MAX = 1000
"""Traces kept for one owner; beyond them, the oldest that no living link shares make room."""
PUBLIC_ID = re.compile(r"trace-([0-9a-f]{32})")


def keep_trace(
    *,
    owner: Owner,
    trace: dict[str, Any],
    kind: str = KeptKind.TEXT,
    text: str | None = None,
    prompt: str = "",
    origin: uuid.UUID | None = None,
) -> KeptTrace:
    """Keep a trace as POST /v1/traces answers it; its id becomes that of the kept row.

    `text` is what the spans' offsets count where it is not the trace's own.
    """
    trace = without_nulls(trace)
    kept = KeptTrace(
        owner=owner.user,
        session_key=owner.session_key,
        kind=kind,
        origin=origin,
        model=trace["model"],
        prompt=prompt,
        text=trace["text"] if text is None else without_nulls(text),
    )
    kept.content = trace | {"id": kept.public_id}
    kept.save(force_insert=True)
    make_room(owner)
    return kept


def without_nulls(value: Any) -> Any:
    """Texts without the null character, which PostgreSQL cannot keep; the length stays."""
    match value:
        case str():
            return value.replace("\0", "\ufffd")
        case list() | tuple():
            return [without_nulls(item) for item in value]
        case dict():
            return {key: without_nulls(item) for key, item in value.items()}
    return value


def make_room(owner: Owner) -> None:
    mine = KeptTrace.objects.of(owner)
    if mine.count() <= KEPT_MAX:
        return
    shared = Share.objects.living().filter(trace__in=mine).values_list("trace", flat=True)
    oldest = mine.exclude(pk__in=shared).order_by("created_at").values_list("pk", flat=True)
    surplus = list(oldest[: mine.count() - KEPT_MAX])
    KeptTrace.objects.filter(pk__in=surplus).delete()


def find_kept(*, owner: Owner, public_id: str) -> KeptTrace | None:
    """The owner's trace with this id of /v1; None where there is none, or it is someone else's."""
    matched = PUBLIC_ID.fullmatch(public_id)
    return KeptTrace.objects.of(owner).filter(pk=uuid.UUID(matched[1])).first() if matched else None
