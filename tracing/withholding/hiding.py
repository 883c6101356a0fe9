"""Traces that were kept or came from elsewhere, without the documents that are withheld now."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from tracing.withholding.lookup import WithheldNow


def hide_withheld(trace: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of a trace's JSON, as POST /v1/traces answers it, that shows no withheld document.

    Spans stay, with their counts; those of their documents that are withheld now are taken out, the
    others renumbered, and the trace's `withheld` counts them. To be called whenever a kept trace is shown.
    """
    documents = trace.get("documents") or []
    reasons = reasons_of_documents(documents, trace.get("indexes") or [])
    if not reasons:
        return dict(trace)
    shown = [number for number in range(len(documents)) if number not in reasons]
    places = {old: new for new, old in enumerate(shown)}
    return {
        **trace,
        "spans": [renumbered(span, "documents", places) for span in trace["spans"]],
        "documents": [renumbered(documents[number], "repeats", places) for number in shown],
        "withheld": counted(trace.get("withheld") or [], reasons),
    }


def reasons_of_documents(
    documents: Sequence[Mapping[str, Any]], indexes: Sequence[Mapping[str, Any]]
) -> dict[int, str]:
    """Why documents are withheld, by their place in the trace."""
    digests = {index["name"]: index.get("digest") for index in indexes}
    places: dict[str, list[tuple[int, int]]] = {}
    for place, document in enumerate(documents):
        places.setdefault(document["store"], []).append((place, document["document"]))
    withheld, found = WithheldNow(), {}
    for store, pairs in places.items():
        reasons = withheld(store, [number for _, number in pairs], digests.get(store))
        found |= {place: reasons[number] for place, number in pairs if number in reasons}
    return found


def renumbered(entry: Mapping[str, Any], field: str, places: Mapping[int, int]) -> dict[str, Any]:
    """The entry with its numbers of documents in `field`, if it has any, as they are now."""
    if field not in entry:
        return dict(entry)
    return {**entry, field: [places[number] for number in entry[field] if number in places]}


def counted(before: Sequence[Mapping[str, Any]], reasons: Mapping[int, str]) -> list[dict[str, Any]]:
    """The trace's `withheld` with these documents added."""
    counts = Counter({entry["reason"]: entry["documents"] for entry in before})
    counts.update(reasons.values())
    return [{"reason": reason, "documents": number} for reason, number in sorted(counts.items())]
