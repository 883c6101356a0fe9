"""What the rest of Headwater asks of tracing: register a published store, and open one, once a process."""

from pathlib import Path

from django.db import transaction

from accounts.audit import Actor
from tracing.core.stores.manifest import Manifest, read_manifest
from tracing.models import Store
from tracing.opening import open_searched, open_store, open_tokenizer
from tracing.search.tasks import load_soon
from tracing.withholding.builds import carry_over
from tracing.withholding.rules import apply_rules

__all__ = ["open_searched", "open_store", "open_tokenizer", "register_manifest", "register_store"]

REGISTRATION = Actor("a new store")


def register_store(path: Path) -> Store:
    """The row of the store published at `path`, made or brought up to date from its manifest.

    Raises StoreMissing or StoreDamaged. The store must lie in HEADWATER_HOME/stores under its own name.
    """
    return register_manifest(path.name, read_manifest(path))


def register_manifest(name: str, manifest: Manifest) -> Store:
    """The row of the store that is called `name`, here or on an index node, made or brought up to date."""
    fields = {field: getattr(manifest, field) for field in ("stage", "source", "licence", "tokenizer")}
    sizes = {"tokens": manifest.tokens, "documents": manifest.documents, "digest": manifest.digest}
    with transaction.atomic():
        known = Store.objects.filter(name=name).values_list("digest", flat=True).first()
        store, _ = Store.objects.update_or_create(name=name, defaults={**fields, **sizes})
        carry_over(store)
        if store.digest != known:
            apply_rules(store, REGISTRATION)
        transaction.on_commit(load_soon)
    return store
