"""Keeping the search index in step with the stores that are registered."""

import logging
from collections.abc import Callable, Sequence

from tracing.core.errors import StoreError, TracingError
from tracing.core.search.index import IndexWriter
from tracing.core.search.loading import Progress, load_store, remove_stale
from tracing.documents import tokenizer_of
from tracing.models import Store
from tracing.opening import open_store
from tracing.search.backend import search_index

logger = logging.getLogger(__name__)

Report = Callable[[Progress], None]
Refused = Callable[[Store, TracingError], None]


def log_refusal(store: Store, error: TracingError) -> None:
    logger.error("%s cannot be loaded into the search index: %s", store, error)


def is_behind() -> bool:
    """Whether a registered store that is on this machine is not, or not wholly, in the index; or one that
    is not registered is. Raises SearchUnavailable."""
    loads, rows = search_index().loads(), list(Store.objects.all())
    here, known = {row.digest for row in rows if row.is_here}, {row.digest for row in rows}
    return not here <= set(loads) <= known or any(not load.is_finished for load in loads.values())


def load_stores(
    names: Sequence[str] = (),
    *,
    rebuild: bool = False,
    report: Report = lambda progress: None,
    refused: Refused = log_refusal,
) -> int:
    """Loads what is not loaded yet of the registered stores (or of those with these names), and removes what
    is no longer registered. Gives how many stores could not be loaded; `refused` hears why.

    With `rebuild`, into a new index that takes the old one's place at the end. Waits while another process
    loads. Raises SearchUnavailable.
    """
    with search_index().writer(rebuild=rebuild) as writer:
        failed = load_all(writer, names, report, refused)
        if rebuild:
            writer.publish()
    return failed


def load_all(writer: IndexWriter, names: Sequence[str], report: Report, refused: Refused) -> int:
    """A store that is registered meanwhile is loaded too."""
    tried: dict[str, bool] = {}
    while store := next_store(writer, names, tried):
        try:
            load_store(writer, open_store(store), tokenizer_of(store), report)
            tried[store.digest] = True
        except StoreError as error:
            tried[store.digest] = False
            refused(store, error)
    remove_stale(writer, Store.objects.values_list("digest", flat=True))
    return sum(not loaded for loaded in tried.values())


def next_store(writer: IndexWriter, names: Sequence[str], tried: dict[str, bool]) -> Store | None:
    """The first store that was not tried yet and is not loaded."""
    loads = writer.loads()
    for store in Store.objects.filter(name__in=names) if names else Store.objects.all():
        done = store.digest in loads and loads[store.digest].is_finished
        if store.digest not in tried and not done and (names or store.is_here):
            return store
    return None
