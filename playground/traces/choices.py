"""What the documents of a panel can be filtered by: small links, chosen one a kind."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from tracing.core.documents.relevance import TIERS

Json = dict[str, Any]
FILTERS = ("stage", "corpus", "licence", "relevance")
VALUE_CHARACTERS = 300


@dataclass(frozen=True)
class Choice:
    """A value that documents can be filtered by, how many have it, and the query that toggles it."""

    value: str
    documents: int
    chosen: bool
    query: str


def chosen_filters(query: Mapping[str, str]) -> dict[str, str]:
    """The filters that a page's query names."""
    return {name: query[name][:VALUE_CHARACTERS] for name in FILTERS if query.get(name)}


def passes(document: Json, filters: Mapping[str, str]) -> bool:
    return all(str(document.get(name) or "") == value for name, value in filters.items())


def choices_of(
    documents: list[Json], stages: list[str], filters: Mapping[str, str], base: Mapping[str, str]
) -> list[tuple[str, list[Choice]]]:
    """For each filter that would change anything, its values with the documents that have them.

    `stages` hold the runs, though none of these documents may be theirs.
    """
    found = []
    for name in FILTERS:
        counts = dict.fromkeys(stages, 0) if name == "stage" else {}
        for document in documents:
            if value := str(document.get(name) or ""):
                counts[value] = counts.get(value, 0) + 1
        if name in filters:
            counts.setdefault(filters[name], 0)
        if len(counts) > 1 or name in filters:
            values = sorted(counts, key=TIERS.index) if counts.keys() <= set(TIERS) else list(counts)
            found.append((name, [choice(name, value, counts[value], filters, base) for value in values]))
    return found


def choice(
    name: str, value: str, documents: int, filters: Mapping[str, str], base: Mapping[str, str]
) -> Choice:
    chosen = filters.get(name) == value
    others = {other: kept for other, kept in filters.items() if other != name}
    fields = {**base, **others} if chosen else {**base, **others, name: value}
    return Choice(value, documents, chosen, "?" + urlencode(fields))
