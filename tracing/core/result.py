"""What a trace answers, and its JSON."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from tracing.core.documents.relevance import best_tier
from tracing.core.documents.repeats import with_repeats
from tracing.core.documents.traced import TracedDocument
from tracing.core.indexes import Index
from tracing.core.matching.spans import Piece, Span


@dataclass(frozen=True)
class Coverage:
    """How much of the text was found. Shares are of its tokens.

    `share`: inside the spans shown. `novel_share`: in no verbatim run of `min_tokens` or more. What
    is left was found too, but is not among the rarest. `longest_span_tokens`: the longest run found.
    """

    share: float
    longest_span_tokens: int
    novel_share: float


@dataclass(frozen=True)
class Trace:
    """The spans of a text and their documents. `to_json` leaves out id, model and checkpoint."""

    text: str
    token_ids: tuple[int, ...]
    indexes: tuple[Index, ...]
    spans: tuple[Span, ...]
    documents: tuple[TracedDocument, ...]
    coverage: Coverage
    timing_ms: Mapping[str, float]
    withheld: tuple[Mapping[str, Any], ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The answer of POST /v1/traces."""
        return {
            "object": "trace",
            "indexes": [index.to_json() for index in self.indexes],
            "text": self.text,
            "token_ids": list(self.token_ids),
            "spans": [_span_json(span) for span in self.spans],
            "documents": with_repeats([document.to_json() for document in self.documents]),
            "coverage": dict(self.coverage.__dict__),
            "withheld": [dict(entry) for entry in self.withheld],
            "timing_ms": {name: round(value, 3) for name, value in self.timing_ms.items()},
        }


@dataclass(frozen=True)
class Highlight:
    """Characters start..end to paint, for the spans (numbers in the trace) that lie there."""

    start: int
    end: int
    spans: tuple[int, ...]
    relevance: str


class Placed(Protocol):
    """What has a place in the text: a span, or what was kept of one."""

    @property
    def start(self) -> int: ...
    @property
    def end(self) -> int: ...
    @property
    def relevance(self) -> str | None: ...


def merge_spans(spans: Sequence[Placed]) -> list[Highlight]:
    """The spans, given in text order, with those that share characters merged."""
    merged: list[Highlight] = []
    for number, span in enumerate(spans):
        tier = span.relevance or best_tier([])
        if merged and span.start < merged[-1].end:
            last = merged.pop()
            end, tier = max(last.end, span.end), best_tier([last.relevance, tier])
            merged.append(Highlight(last.start, end, (*last.spans, number), tier))
        else:
            merged.append(Highlight(span.start, span.end, (number,), tier))
    return merged


def measure_coverage(
    spans: Sequence[Span], maximal: Sequence[Piece], tokens: int, min_tokens: int
) -> Coverage:
    """Coverage of a text of `tokens`, by the spans shown and by all maximal spans."""
    shown = _covered([(span.token_start, span.token_end) for span in spans], tokens)
    found = _covered([piece for piece in maximal if piece[1] - piece[0] >= min_tokens], tokens)
    longest = max((stop - start for start, stop in maximal), default=0)
    return Coverage(float(shown.mean()), longest, float(1 - found.mean()))


def _covered(pieces: Sequence[Piece], tokens: int) -> NDArray[np.bool_]:
    """Which tokens lie in a piece, shape [tokens]."""
    covered = np.zeros(tokens, dtype=np.bool_)
    for start, stop in pieces:
        covered[start:stop] = True
    return covered


def _span_json(span: Span) -> dict[str, Any]:
    places = {
        "start": span.start,
        "end": span.end,
        "token_start": span.token_start,
        "token_end": span.token_end,
    }
    found = {"text": span.text, "count": span.count, "log_probability": span.log_probability}
    return {
        **places,
        **found,
        "matched_on": span.matched_on,
        "relevance": span.relevance,
        "stages": dict(span.stages),
        "documents": list(span.documents),
    }
