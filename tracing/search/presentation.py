"""Search results for templates and programs: chips to choose from, marked text, links to documents."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse

from tracing.core.search.query import Field
from tracing.marks import Part, marked_parts
from tracing.search.request import LISTS, RESULTS_MAX, SearchRequest
from tracing.search.results import SearchResult, SearchResults

CHIPS_SHOWN = 12
GROUPS: Sequence[tuple[str, Field, str]] = (
    ("stages", "stage", "Stage"),
    ("stores", "store", "Store"),
    ("licences", "licence", "Licence"),
)


@dataclass(frozen=True)
class Chip:
    """A value to filter by, how many passages it would give, and the address that adds or removes it."""

    value: str
    count: int
    is_chosen: bool
    address: str


@dataclass(frozen=True)
class ChipGroup:
    """The chips of one kind: some to see at once, the others behind a summary."""

    label: str
    shown: Sequence[Chip]
    others: Sequence[Chip]


@dataclass(frozen=True)
class Row:
    """A result with its excerpt cut at the marks, and the address of its document."""

    result: SearchResult
    parts: Sequence[Part]
    address: str


def chip_groups(found: SearchResults) -> Iterator[ChipGroup]:
    """A group for each kind that there is a choice of: the chosen ones first, then the most frequent."""
    for name, field, label in GROUPS:
        chosen = getattr(found.request, name)
        counts = {**dict.fromkeys(chosen, 0), **found.counts[field]}
        if len(counts) < 2 and not chosen:
            continue
        ordered = sorted(counts, key=lambda value: (value not in chosen, -counts[value], value))
        chips = [
            Chip(value, counts[value], value in chosen, found.request.toggled(name, value))
            for value in ordered
        ]
        shown = max(CHIPS_SHOWN, len(chosen))
        yield ChipGroup(label, chips[:shown], chips[shown:])


def rows(found: SearchResults) -> list[Row]:
    return [
        Row(result, without_gaps(marked_parts(result.text, result.matches)), document_address(result))
        for result in found.results
    ]


def without_gaps(parts: Sequence[Part]) -> list[Part]:
    """The parts without empty lines, which would push other results down."""
    return [(is_match, re.sub(r"\s*\n\s*", "\n", text)) for is_match, text in parts]


def document_address(result: SearchResult) -> str:
    """The page of the document where the words stand, marked; `#part-1` is the first mark of the page."""
    address = reverse("document", args=(result.store, result.document))
    if not result.highlight:
        return f"{address}?{urlencode({'page': result.page})}"
    highlight = ",".join(map(str, result.highlight))
    return f"{address}?{urlencode({'page': result.page, 'highlight': highlight}, safe=',')}#part-1"


def pages(found: SearchResults) -> dict[str, str]:
    """Addresses of the pages before and after this one, those that there are."""
    request, links = found.request, {}
    if request.page > 1:
        links["previous"] = request.address(page=request.page - 1)
    if found.has_more and (request.page + 1) * request.limit <= RESULTS_MAX:
        links["next"] = request.address(page=request.page + 1)
    return links


def hidden_fields(request: SearchRequest) -> list[tuple[str, str]]:
    """What the form must send along: the chips that are chosen."""
    return [(LISTS[name], value) for name, _, _ in GROUPS for value in getattr(request, name)]


def to_json(found: SearchResults) -> dict[str, Any]:
    """The results as GET /api/search/ and `search_corpus --json` give them."""
    return {
        "object": "search",
        "query": found.request.q,
        "model": found.request.model or None,
        "backend": found.backend,
        "total": found.total,
        "page": found.request.page,
        "limit": found.request.limit,
        "has_more": found.has_more,
        "results": [result_json(result) for result in found.results],
        "counts": {field: dict(counts) for field, counts in found.counts.items()},
        "withheld": withheld_json(found.withheld),
        "loading": {"documents": found.loading.documents, "of": found.loading.of},
    }


def result_json(result: SearchResult) -> dict[str, Any]:
    fields = {**result.__dict__, "matches": [list(match) for match in result.matches]}
    fields["highlight"] = list(result.highlight)
    fields["link"] = document_address(result)
    return fields


def withheld_json(withheld: Mapping[str, int]) -> list[dict[str, Any]]:
    return [{"reason": reason, "results": count} for reason, count in sorted(withheld.items())]
