"""What a fine-tune added: spans that stand in a checkpoint's data and in none of its ancestor's."""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from typing import Any

from tracing.core.errors import Unanswered
from tracing.core.request import TraceRequest
from tracing.core.trace import Tracer

Json = dict[str, Any]


def mark_added(trace: Json, ancestor: Tracer, cancelled: Callable[[], bool] | None = None) -> Json:
    """The trace with `added` in each span: True where no store of the ancestor holds its tokens in a row.

    Exact: a run occurs in the ancestor's data if and only if it lies inside one of the ancestor's own maximal
    runs, and those are found over the same ids. None where that cannot be said, because an index of the
    ancestor did not answer. Raises as Tracer.trace does.
    """
    request = TraceRequest(token_ids=trace["token_ids"], raw=True)
    answer = ancestor.trace(request, cancelled).to_json()
    whole = all(index.get("answered", True) for index in answer["indexes"])
    known, in_bytes = KnownRuns(answer["spans"]), texts_in_bytes(trace["spans"], ancestor) if whole else None
    if in_bytes is None:
        return trace | {"spans": [span | {"added": None} for span in trace["spans"]]}
    marked = [
        span | {"added": not (known.hold(span) or (on_bytes(span) and span["text"] in in_bytes))}
        for span in trace["spans"]
    ]
    return trace | {"spans": marked}


def texts_in_bytes(spans: Sequence[Json], ancestor: Tracer) -> set[str] | None:
    """The texts of spans that were matched on bytes which the ancestor's byte indexes hold; None where one of
    those on another machine did not answer."""
    texts = list({span["text"] for span in spans if on_bytes(span)})
    try:
        counts = ancestor.count_bytes(texts)
    except Unanswered:
        return None
    return {text for text, count in zip(texts, counts, strict=True) if count}


def on_bytes(span: Json) -> bool:
    return span.get("matched_on") == "bytes"


class KnownRuns:
    """The maximal runs of a text in some data, to be asked whether they hold a shorter one."""

    def __init__(self, runs: Sequence[Json]) -> None:
        own = [run for run in runs if not on_bytes(run)]  # the others do not hold the text's tokens
        self._starts, self._reach = reach([(run["token_start"], run["token_end"]) for run in own])
        self._letters, self._letters_reach = reach([(run["start"], run["end"]) for run in own])

    def hold(self, span: Json) -> bool:
        """Whether the span's tokens lie in one run; of a span that was matched on bytes, its characters."""
        if on_bytes(span):
            return within(self._letters, self._letters_reach, span["start"], span["end"])
        return within(self._starts, self._reach, span["token_start"], span["token_end"])


def reach(runs: Sequence[tuple[int, int]]) -> tuple[list[int], list[int]]:
    """The starts in order, and for each the furthest end of the runs that begin there or before."""
    ordered = sorted(runs)
    ends: list[int] = []
    for _, end in ordered:
        ends.append(max(end, ends[-1] if ends else end))
    return [start for start, _ in ordered], ends


def within(starts: Sequence[int], ends: Sequence[int], start: int, end: int) -> bool:
    before = bisect_right(starts, start)
    return before > 0 and ends[before - 1] >= end
