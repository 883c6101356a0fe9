"""More documents of some runs: those that pass a reader's filters, which a trace had not looked at."""

from collections.abc import Mapping, Sequence
from typing import Any

from playground.traces.subjects import Subject, checkpoint_called
from tracing.core.errors import Cancelled, TracingError
from training.traces import trace_checkpoint

Json = dict[str, Any]
MARGIN_TOKENS = 500
DOCUMENTS = 20


def with_more_documents(
    subject: Subject, trace: Json, spans: Sequence[Json], filters: Mapping[str, str]
) -> Json:
    """The trace, with up to twenty more documents of each of these of its spans that pass the filters.

    A trace samples ten documents of a run; the only three of a stage may not be among them. As it was where
    the model has been deleted or has no such data.
    """
    if not filters or not subject.can_change or not spans:
        return trace
    try:
        more = trace_around(subject, trace, spans, filters)
    except Cancelled:
        raise
    except TracingError:
        return trace
    documents = list(trace["documents"])
    numbers = {(document["store"], document["document"]): n for n, document in enumerate(documents)}
    for document in more["documents"]:
        if numbers.setdefault((document["store"], document["document"]), len(documents)) == len(documents):
            documents.append(document | {"repeats": []})
    places = [numbers[document["store"], document["document"]] for document in more["documents"]]
    added = {id(span): found_in(more, span, places) for span in spans}
    filled = [
        span | {"documents": list(dict.fromkeys([*span["documents"], *added[id(span)]]))}
        if id(span) in added
        else span
        for span in trace["spans"]
    ]
    return trace | {"documents": documents, "spans": filled}


def trace_around(subject: Subject, trace: Json, spans: Sequence[Json], filters: Mapping[str, str]) -> Json:
    """A trace of the text around the spans, in nothing but what passes the filters."""
    first = max(0, min(span["token_start"] for span in spans) - MARGIN_TOKENS)
    last = max(span["token_end"] for span in spans) + MARGIN_TOKENS
    names = {"stage": "stages", "corpus": "corpora", "licence": "licences"}
    wanted: Json = {names[name]: [value] for name, value in filters.items() if name in names}
    return trace_checkpoint(
        checkpoint_called(subject.model),
        token_ids=trace["token_ids"][first:last],
        prompt=subject.prompt,
        density=1.0,
        min_tokens=min(span["token_end"] - span["token_start"] for span in spans),
        max_documents=DOCUMENTS,
        relevance=filters.get("relevance"),
        **wanted,
    )


def found_in(more: Json, span: Json, places: Sequence[int]) -> list[int]:
    """Numbers of the documents of the other trace that hold the span, by what they are called in this one."""
    holding = [other for other in more["spans"] if span["text"] in other["text"]]
    return [places[number] for other in holding for number in other["documents"]]
