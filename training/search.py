"""Searching what a model was trained on: the stores of its lineage, or all that there are."""

from collections.abc import Sequence

from tracing.core.errors import InputError
from tracing.models import Store
from tracing.search.request import SearchRequest
from tracing.search.results import SearchResults, search_stores
from training.lineage import lineage_stores
from training.models import Checkpoint


def search_corpus(request: SearchRequest) -> SearchResults:
    """Raises InputError for a model or store that is not there, SearchUnavailable where there is no index."""
    return search_stores(request, stores_in_question(request.model))


def stores_in_question(model: str) -> Sequence[Store]:
    """Every store behind the checkpoint of this name; without a name every store."""
    if not model:
        return list(Store.objects.all())
    checkpoint = Checkpoint.objects.filter(name=model).first()
    if checkpoint is None:
        raise InputError(f"There is no model {model[:100]!r} here: choose one of those that are listed.")
    return lineage_stores(checkpoint)


def models_to_choose() -> list[str]:
    """Names of the checkpoints whose data can be searched apart: each stage's last one, newest first."""
    return list(
        Checkpoint.objects.filter(final=True).order_by("-created_at", "-id").values_list("name", flat=True)
    )
