"""What the rest of Headwater asks of tracing: register a published store, and open one, once a process."""

from pathlib import Path

from django.db import transaction

from tracing.core.stores.manifest import read_manifest
from tracing.models import Store
from tracing.opening import open_searched, open_store, open_tokenizer
from tracing.search.tasks import load_soon
from tracing.withholding.builds import carry_over

__all__ = ["open_searched", "open_store", "open_tokenizer", "register_store"]


def register_store(path: Path) -> Store:
    """The row of the store published at `path`, made or brought up to date from its manifest.

    Raises StoreMissing or StoreDamaged. The store must lie in HEADWATER_HOME/stores under its own name.
    """
    manifest = read_manifest(path)
    fields = {name: getattr(manifest, name) for name in ("stage", "source", "licence", "tokenizer")}
    sizes = {"tokens": manifest.tokens, "documents": manifest.documents, "digest": manifest.digest}
    with transaction.atomic():
        store, _ = Store.objects.update_or_create(name=path.name, defaults={**fields, **sizes})
        carry_over(store)
        transaction.on_commit(load_soon)
    return store
