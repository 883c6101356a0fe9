"""Searching the registered stores: hits become results that may be shown, with counts to choose from."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tracing.core.documents.view import PAGE_TOKENS
from tracing.core.errors import InputError, TracingError
from tracing.core.search.excerpts import Excerpt, cut_excerpt
from tracing.core.search.index import DEEPEST, Hit, Load
from tracing.core.search.passages import described
from tracing.core.search.query import Field, Query
from tracing.documents import tokenizer_of
from tracing.models import Store
from tracing.opening import open_store
from tracing.search.backend import search_index
from tracing.search.request import SearchRequest
from tracing.withholding.lookup import WithheldNow

SPARE_HITS = 150
"""Read beyond a page's end, to fill the places of withheld documents before it; DEEPEST where that is not
enough."""
HIGHLIGHT_TOKENS = 200


@dataclass(frozen=True)
class SearchResult:
    """A passage as it is shown: `matches` are (start, end) characters of `text`, `page` that of the
    document where the words stand, `highlight` the token ids to mark there. Where the document cannot be
    read, `error` says why and the rest is empty."""

    store: str
    document: int
    score: float
    title: str = ""
    source: str = ""
    url: str = ""
    licence: str = ""
    stage: str = ""
    date: str = ""
    text: str = ""
    matches: Sequence[Sequence[int]] = ()
    page: int = 1
    highlight: Sequence[int] = ()
    error: str = ""


@dataclass(frozen=True)
class Loading:
    """How many of the documents in question can be searched yet."""

    documents: int
    of: int

    @property
    def is_finished(self) -> bool:
        return self.documents >= self.of


@dataclass(frozen=True)
class SearchResults:
    """A page of results. `total` counts all passages that match, withheld ones included; `withheld` how
    many of those read for this page are not shown, by reason. `counts` say how many passages each value
    would give, were it chosen instead of those of its kind."""

    request: SearchRequest
    results: Sequence[SearchResult]
    total: int
    withheld: Mapping[str, int]
    counts: Mapping[Field, Mapping[str, int]]
    loading: Loading
    has_more: bool = False
    backend: str = ""

    @property
    def first_number(self) -> int:
        """The number of the first result of this page, counted from 1."""
        return (self.request.page - 1) * self.request.limit + 1


def search_stores(request: SearchRequest, stores: Sequence[Store]) -> SearchResults:
    """Searches these stores, or of them those that the request names.

    Raises InputError for a store that is not registered, SearchUnavailable where there is no index.
    """
    index = search_index()
    chosen = chosen_stores(request, stores)
    query = request.query([store.digest for store in chosen])
    last = request.page * request.limit
    shown, withheld, total = visible_hits(query, chosen, last)
    return SearchResults(
        request=request,
        results=shown_results(shown[last - request.limit : last], chosen, query),
        total=total,
        withheld=withheld,
        counts=counts_of(request, query, stores),
        loading=loading_of(chosen, index.loads()),
        has_more=len(shown) > last,
        backend=index.name,
    )


def chosen_stores(request: SearchRequest, stores: Sequence[Store]) -> list[Store]:
    elsewhere = set(request.stores).difference(store.name for store in stores)
    unknown = elsewhere.difference(Store.objects.filter(name__in=elsewhere).values_list("name", flat=True))
    if unknown:
        raise InputError(f"There is no store {min(unknown)!r} here: choose one of those that are listed.")
    return [store for store in stores if not request.stores or store.name in request.stores]


def visible_hits(query: Query, stores: Sequence[Store], last: int) -> tuple[list[Hit], dict[str, int], int]:
    """At least the first `last` hits that may be shown, as far as there are so many; what `without_withheld`
    says of the others; and how many hits there are in all."""
    for read in (min(last + SPARE_HITS, DEEPEST), DEEPEST):
        found = search_index().search(query, limit=read)
        shown, withheld = without_withheld(found.hits, stores, last)
        if len(shown) > last or read >= found.total:
            break
    return shown, withheld, found.total


def without_withheld(
    hits: Sequence[Hit], stores: Sequence[Store], last: int
) -> tuple[list[Hit], dict[str, int]]:
    """The hits that may be shown, and why those among the first `last` of them that may not are withheld."""
    by_digest = {store.digest: store for store in stores}
    numbers: dict[str, set[int]] = {}
    for hit in hits:
        numbers.setdefault(hit.store, set()).add(hit.document)
    lookup = WithheldNow()
    reasons = {
        digest: lookup(by_digest[digest].name, sorted(asked), digest) for digest, asked in numbers.items()
    }
    shown: list[Hit] = []
    withheld: Counter[str] = Counter()
    for hit in hits:
        reason = reasons[hit.store].get(hit.document)
        if reason is None:
            shown.append(hit)
        elif len(shown) < last:
            withheld[reason] += 1
    return shown, dict(withheld)


def shown_results(hits: Sequence[Hit], stores: Sequence[Store], query: Query) -> list[SearchResult]:
    by_digest = {store.digest: store for store in stores}
    return [shown_result(hit, by_digest[hit.store], query) for hit in hits]


def shown_result(hit: Hit, store: Store, query: Query) -> SearchResult:
    """The passage read from its store, which is the truth; the index only finds it."""
    place: dict[str, Any] = {"store": store.name, "document": hit.document, "score": hit.score}
    try:
        reader = open_store(store)
        excerpt = cut_excerpt(reader, hit, tokenizer_of(store), query)
        metadata = reader.metadata(hit.document)
        highlight = reader.token_ids(hit.document)[excerpt.start : excerpt.stop][:HIGHLIGHT_TOKENS]
    except TracingError as error:
        return SearchResult(**place, error=str(error))
    said = described(reader.manifest, metadata)
    return SearchResult(
        **place,
        **{name: said[name] for name in ("source", "licence", "stage")},
        title=str(metadata.get("title") or metadata.get("id") or f"Document {hit.document}"),
        url=str(metadata.get("url") or ""),
        date=str(metadata.get("date") or ""),
        text=excerpt.text,
        matches=excerpt.matches,
        page=page_of(excerpt),
        highlight=highlight.tolist(),
    )


def page_of(excerpt: Excerpt) -> int:
    """The page of the document where the excerpt's first mark stands."""
    return excerpt.start // PAGE_TOKENS + 1


def counts_of(request: SearchRequest, query: Query, stores: Sequence[Store]) -> dict[Field, dict[str, int]]:
    """By stage, store and licence: how many passages each value would give in place of what is chosen."""
    index = search_index()
    everywhere = request.query([store.digest for store in stores])
    names = {store.digest: store.name for store in stores}
    by_store = index.count_by("store", everywhere)
    return {
        "stage": index.count_by("stage", query.without("stage")),
        "store": {names[digest]: number for digest, number in by_store.items() if digest in names},
        "licence": index.count_by("licence", query.without("licence")),
    }


def loading_of(stores: Sequence[Store], loads: Mapping[str, Load]) -> Loading:
    done = [loads[store.digest].done if store.digest in loads else 0 for store in stores]
    return Loading(sum(done), sum(store.documents for store in stores))
