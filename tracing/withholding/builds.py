"""A store that is built again keeps what was withheld of it, though its documents have other numbers now."""

from tracing.models import Store
from tracing.opening import open_store
from tracing.withholding.acts import next_version
from tracing.withholding.models import StoreVersion, Withholding


def carry_over(store: Store) -> None:
    """Withhold in this build of the store what was in force in the one that its name meant before.

    Documents are found again by their ids; one without an id, or that is no longer there, stays withheld in
    the old build alone. To be called in the transaction that registers the build, before anyone can read it.
    """
    row = StoreVersion.objects.filter(store_name=store.name).exclude(digest=store.digest).first()
    if row is None:
        return
    before = Withholding.objects.in_force().filter(store_name=store.name, digest=row.digest)
    StoreVersion.objects.filter(pk=row.pk).update(digest=store.digest)
    version = next_version(store.name, store.digest)
    there = Withholding.objects.in_force().filter(store_name=store.name, digest=store.digest)
    if there.exists():  # this very build was here before
        return
    numbers = numbers_by_id(store, {old.document_id for old in before} - {""})
    again = [(old, number) for old in before for number in numbers.get(old.document_id, [])]
    Withholding.objects.bulk_create([copied(old, store, number, version) for old, number in again])


def numbers_by_id(store: Store, ids: set[str]) -> dict[str, list[int]]:
    """The numbers of the documents with these ids. Raises StoreError."""
    found: dict[str, list[int]] = {}
    if ids:
        reader = open_store(store)
        for number in range(reader.documents):
            known = str(reader.metadata(number).get("id"))
            if known in ids:
                found.setdefault(known, []).append(number)
    return found


def copied(old: Withholding, store: Store, document: int, version: int) -> Withholding:
    fields = {name: getattr(old, name) for name in ("document_id", "reason", "kinds", "note", "rule", "by")}
    fields |= {"created_at": old.created_at, "version": version}
    return Withholding(store_name=store.name, digest=store.digest, document=document, **fields)
