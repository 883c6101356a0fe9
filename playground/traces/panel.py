"""The panel beside a text: the runs behind lit words, and the documents that hold them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from playground.traces.choices import Choice, choices_of, passes
from playground.traces.ladder import Rung, ladder
from playground.traces.numbers import one_in
from playground.traces.painting import segments
from tracing.core.documents.relevance import TIERS
from tracing.core.documents.repeats import group_repeats
from tracing.core.indexes import unanswered_words
from tracing.marks import marked_parts, web_address

Json = dict[str, Any]
MARKED_TOKENS, MARKED_CHARACTERS = 1000, 2000
"""What a link to a document can carry of a longer run."""
REASONS = {
    "personal data": ("holds personal data", "hold personal data"),
    "blocked": ("was blocked", "were blocked"),
    "taken down": ("was taken down", "were taken down"),
}


@dataclass(frozen=True)
class DocumentGroup:
    """Documents of one source: the most relevant, and those that repeat it."""

    first: Json
    others: list[Json]


@dataclass(frozen=True)
class FoundSpan:
    """One verbatim run of words: how often it stands in each stage's data, and documents that hold it."""

    text: str
    count: int
    one_in: str
    by_bytes: bool
    added: bool | None
    rungs: list[Rung]
    groups: list[DocumentGroup]
    documents: int


@dataclass(frozen=True)
class Panel:
    """What stands behind some lit words. `hidden` documents do not pass the filters."""

    spans: list[FoundSpan]
    filters: list[tuple[str, list[Choice]]]
    hidden: int
    withheld: list[tuple[int, str]]
    unanswered: str

    @property
    def withheld_documents(self) -> int:
        return sum(number for number, _ in self.withheld)

    @property
    def filtered(self) -> bool:
        return any(choice.chosen for _, choices in self.filters for choice in choices)


def panel_of(
    trace: Json, start: int, end: int, filters: Mapping[str, str], base: Mapping[str, str]
) -> Panel | None:
    """The panel of the segment that shares most of characters [start, end); None if nothing there is lit.

    A document that holds several of the segment's runs is listed under the longest. `base` are the other
    fields of the page's query, kept in the links of the filters.
    """
    spans = spans_at(trace, start, end)
    if not spans:
        return None
    documents = {number: trace["documents"][number] for span in spans for number in span["documents"]}
    kept = {number for number, document in documents.items() if passes(document, filters)}
    stages = list(dict.fromkeys(stage for span in spans for stage in span["stages"]))
    listed: set[int] = set()
    found = []
    for span in spans:
        found.append(found_span(trace, span, [n for n in span["documents"] if n in kept - listed]))
        listed.update(span["documents"])
    return Panel(
        spans=found,
        filters=choices_of(list(documents.values()), stages, filters, base),
        hidden=len(documents) - len(kept),
        withheld=withheld_words(trace.get("withheld", [])),
        unanswered=unanswered_words(trace.get("indexes", [])),
    )


def spans_at(trace: Json, start: int, end: int) -> list[Json]:
    """The spans of the segment that shares most of [start, end), longest first; none if none does."""
    shared = {part: min(end, part.end) - max(start, part.start) for part in segments(trace["spans"])}
    segment = max(shared, key=lambda candidate: shared[candidate], default=None)
    if segment is None or shared[segment] <= 0:
        return []
    return sorted((trace["spans"][number] for number in segment.spans), key=lambda span: -len(span["text"]))


def found_span(trace: Json, span: Json, numbers: list[int]) -> FoundSpan:
    query = marking_query(trace, span)
    documents = [shown_document(trace["documents"][number], query) for number in numbers]
    documents.sort(key=lambda document: TIERS.index(document["relevance"]))
    return FoundSpan(
        text=span["text"],
        count=span["count"],
        one_in=one_in(span["log_probability"]),
        by_bytes=span.get("matched_on") == "bytes",
        added=span.get("added"),
        rungs=ladder(trace, span),
        groups=grouped(documents),
        documents=len(documents),
    )


def marking_query(trace: Json, span: Json) -> str:
    """How a document's page marks the run: by its tokens, or by its words where those differ there."""
    if span.get("matched_on") == "bytes":
        return "?" + urlencode({"text": span["text"][:MARKED_CHARACTERS]}) + "#part-1"
    stop = min(span["token_end"], span["token_start"] + MARKED_TOKENS)
    return f"?highlight={','.join(map(str, trace['token_ids'][span['token_start'] : stop]))}#part-1"


def shown_document(document: Json, query: str) -> Json:
    return document | {
        "url": web_address(document.get("url")),
        "parts": marked_parts(document["snippet"], document["matches"]),
        "query": query,
    }


def grouped(documents: list[Json]) -> list[DocumentGroup]:
    """Documents that repeat each other together, where the most relevant of them stands."""
    return [
        DocumentGroup(documents[group.first], [documents[number] for number in group.repeats])
        for group in group_repeats(documents)
    ]


def withheld_words(withheld: list[Json]) -> list[tuple[int, str]]:
    """How many documents are withheld, and why, in words."""
    found = []
    for entry in withheld:
        other = f"withheld: {entry['reason']}"
        one, many = REASONS.get(entry["reason"], (other, other))
        found.append((entry["documents"], one if entry["documents"] == 1 else many))
    return found
