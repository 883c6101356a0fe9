"""Withholding documents and showing them again: what pages, the admin, commands and sweeps call."""

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.db import transaction
from django.utils import timezone

from accounts.audit import Actor, record_act
from tracing.core.errors import InputError, StoreError
from tracing.models import Store
from tracing.nodes.elsewhere import open_reader
from tracing.withholding.models import BlockRule, Reason, StoreVersion, Withholding

NOTE_LENGTH = 2000
ID_LENGTH = 500
LISTED = 1000  # document numbers told in one entry of the audit log


@transaction.atomic
def take_down(*, store: Store, documents: Sequence[int], note: str, by: Actor) -> list[Withholding]:
    """Hide documents everywhere at once, and log it. Those that were taken down already stay as they are.

    Raises InputError for numbers that the store does not have, or a note that is too long.
    """
    made = add_withholdings(store, {number: {} for number in documents}, Reason.TAKEN_DOWN, by=by, note=note)
    for row in made:
        record_act(by=by, action="take down", **about(row), detail={"note": note})
    return made


@transaction.atomic
def withhold_documents(
    *, store: Store, documents: Sequence[int], reason: Reason, note: str, by: Actor
) -> list[Withholding]:
    """As `take_down`, for whichever reason an administrator gives."""
    if reason == Reason.TAKEN_DOWN:
        return take_down(store=store, documents=documents, note=note, by=by)
    made = add_withholdings(store, {number: {} for number in documents}, reason, by=by, note=note)
    for row in made:
        record_act(by=by, action="withhold", **about(row), detail={"reason": reason, "note": note})
    return made


@transaction.atomic
def restore_documents(*, withholdings: Iterable[Withholding], note: str, by: Actor) -> list[Withholding]:
    """Lift these withholdings, and log it; the rows stay as history. Those lifted before stay as they are.

    A document is shown again once none of its withholdings is left in force.
    """
    check_note(note)
    versions: dict[tuple[str, str], int] = {}
    lifted = []
    for row in sorted(
        withholdings, key=lambda row: (row.store_name, row.digest)
    ):  # one order of locks for all
        store = (row.store_name, row.digest)
        version = versions.get(store) or versions.setdefault(store, next_version(*store))
        if lift(row, version, note, by):
            lifted.append(row)
    for row in lifted:
        record_act(by=by, action="restore", **about(row), detail={"reason": row.reason, "note": note})
    return lifted


def lift(row: Withholding, version: int, note: str, by: Actor) -> bool:
    fields = {"lifted_at": timezone.now(), "lifted_by": by.name, "lifted_note": note, "version": version}
    return bool(Withholding.objects.in_force().filter(pk=row.pk).update(**fields))


def add_withholdings(
    store: Store,
    documents: Mapping[int, Mapping[str, int]],
    reason: Reason,
    *,
    by: Actor,
    note: str = "",
    rule: BlockRule | None = None,
) -> list[Withholding]:
    """The rows that were not in force yet, added; `documents` are numbers with kinds of personal data.

    To be called in a transaction, whose audit entry is the caller's. Raises InputError.
    """
    check_note(note)
    check_numbers(store, documents)
    version = next_version(store.name, store.digest)
    there = Withholding.objects.in_force().filter(store_name=store.name, digest=store.digest, rule=rule)
    known = {number for some in in_parts(documents) for number in numbers_among(there, reason, some)}
    new = [number for number in documents if number not in known]
    ids = ids_of(store, new)
    shared = {"store_name": store.name, "digest": store.digest, "reason": reason, "note": note}
    rows = [
        Withholding(
            document=number,
            document_id=ids.get(number, ""),
            kinds=dict(documents[number]),
            rule=rule,
            by=by.name,
            version=version,
            **shared,
        )
        for number in new
    ]
    return Withholding.objects.bulk_create(rows, batch_size=500)


def numbers_among(rows: Any, reason: Reason, documents: Sequence[int]) -> list[int]:
    return list(rows.filter(reason=reason, document__in=documents).values_list("document", flat=True))


def in_parts(documents: Iterable[int], size: int = 500) -> list[list[int]]:
    numbers = list(documents)
    return [numbers[first : first + size] for first in range(0, len(numbers), size)]


def next_version(store_name: str, digest: str) -> int:
    """A version of the store's withholdings that no process has seen; locks the store until the commit.

    Taken from the clock, so that a version of a transaction that was rolled back is never used again.
    """
    defaults = {"digest": digest}
    row, _ = StoreVersion.objects.select_for_update().get_or_create(store_name=store_name, defaults=defaults)
    row.version = max(row.version + 1, time.time_ns())
    row.save(update_fields=["version"])
    return row.version


def check_numbers(store: Store, documents: Iterable[int]) -> None:
    wrong = next((n for n in documents if type(n) is not int or not 0 <= n < store.documents), None)
    if wrong is not None:
        raise InputError(
            f"{store.name} has no document {wrong!r}: its documents are 0 to {store.documents - 1}."
        )


def check_note(note: str) -> None:
    if len(note) > NOTE_LENGTH:
        raise InputError(f"The note has {len(note)} characters: {NOTE_LENGTH} at most.")


def ids_of(store: Store, documents: Sequence[int]) -> dict[int, str]:
    """The documents' own ids. A store that cannot be read must not keep anyone from taking it down."""
    try:
        reader = open_reader(store)
        found = {number: reader.metadata(number).get("id") for number in documents}
    except StoreError:
        return {}
    return {number: str(known)[:ID_LENGTH] for number, known in found.items() if known is not None}


def about(row: Withholding) -> dict[str, str]:
    """What an entry of the audit log says of the object: which document of which store."""
    place = f"{row.store_name}/{row.document}"
    return {"object_type": "document", "object_id": place, "label": f"{place} {row.document_id}".strip()}
