"""How an answer looks: its parts as HTML, with the spans found in the training data painted into them."""

from dataclasses import dataclass
from typing import Any

from django.urls import reverse

from playground.core.markdown import Paint, render_blocks
from playground.core.think_split import split_thinking
from playground.models import Message, MessageState
from tracing.core.result import Highlight, merge_spans
from tracing.marks import marked_parts


@dataclass(frozen=True)
class Place:
    """Where a kept span stands."""

    start: int
    end: int
    relevance: str | None


def segments(spans: list[dict[str, Any]]) -> list[Highlight]:
    """The spans of a kept trace, or of a live one, as they are painted: those that overlap as one."""
    return merge_spans([Place(span["start"], span["end"], span.get("relevance")) for span in spans])


@dataclass(frozen=True)
class AnswerHtml:
    """Sanitised HTML of the thinking and of the answer, a string each top-level block."""

    thinking: list[str]
    answer: list[str]
    has_thinking: bool
    thinking_open: bool


def answer_html(
    message_id: object, raw_text: str, spans: list[dict[str, Any]], *, final: bool = True
) -> AnswerHtml:
    """The HTML of a text that the model wrote, or with `final=False` is still writing."""
    parts = split_thinking(raw_text, final=final)
    painted = segments(spans)

    def blocks(characters: tuple[int, int] | None) -> list[str]:
        if characters is None:
            return []
        start, end = characters
        return render_blocks(raw_text[start:end], paints_within(message_id, painted, start, end))

    return AnswerHtml(
        thinking=blocks(parts.thinking),
        answer=blocks(parts.answer),
        has_thinking=parts.thinking is not None,
        thinking_open=parts.thinking is not None and not parts.thinking_closed,
    )


def paints_within(message_id: object, painted: list[Highlight], start: int, end: int) -> list[Paint]:
    """The segments that touch [start, end), cut to it and counted from its start."""
    return [
        Paint(
            max(segment.start, start) - start,
            min(segment.end, end) - start,
            href=reverse("span-documents", args=[message_id, segment.start, segment.end]),
            css_class=f"span span-{segment.relevance}",
            label="Found in the training data: show the documents",
        )
        for segment in painted
        if segment.start < end and segment.end > start
    ]


def trace_of(message: Message) -> dict[str, Any]:
    return message.trace if message.trace and "spans" in message.trace else {}


def spans_of(message: Message) -> list[dict[str, Any]]:
    return list(trace_of(message).get("spans", []))


@dataclass(frozen=True)
class AnswerView:
    """A message as a template shows it."""

    message: Message
    html: AnswerHtml
    coverage: dict[str, Any]
    span_count: int
    trace_error: str

    @classmethod
    def of(cls, message: Message) -> "AnswerView":
        painted = spans_of(message)
        return cls(
            message=message,
            html=answer_html(message.pk, message.raw_text, painted),
            coverage=trace_of(message).get("coverage", {}),
            span_count=len(segments(painted)),
            trace_error=(message.trace or {}).get("error", ""),
        )

    @property
    def share_percent(self) -> int:
        return round(100 * self.coverage.get("share", 0))

    @property
    def can_continue(self) -> bool:
        message = self.message
        cut_short = message.state == MessageState.COMPLETE and message.finish_reason == "length"
        return cut_short or message.state in {
            MessageState.STOPPED,
            MessageState.INTERRUPTED,
            MessageState.FAILED,
        }


@dataclass(frozen=True)
class FoundSpan:
    """One verbatim run of words: how often it stands in each stage's data, and documents that hold it."""

    text: str
    count: int
    stages: dict[str, int]
    documents: list[dict[str, Any]]
    highlight: str


def span_panel(trace: dict[str, Any], start: int, end: int) -> list[FoundSpan]:
    """The spans of the segment that shares most of characters [start, end), longest first; none if none does.

    A document that holds several of them is listed under the longest.
    """
    shared = {
        segment: min(end, segment.end) - max(start, segment.start) for segment in segments(trace["spans"])
    }
    segment = max(shared, key=lambda candidate: shared[candidate], default=None)
    if segment is None or shared[segment] <= 0:
        return []
    spans = sorted((trace["spans"][number] for number in segment.spans), key=lambda span: -len(span["text"]))
    listed: set[int] = set()
    found = []
    for span in spans:
        found.append(found_span(trace, span, listed))
        listed.update(span["documents"])
    return found


def found_span(trace: dict[str, Any], span: dict[str, Any], listed: set[int]) -> FoundSpan:
    documents = [trace["documents"][number] for number in span["documents"] if number not in listed]
    return FoundSpan(
        text=span["text"],
        count=span["count"],
        stages=span["stages"],
        documents=[
            document | {"parts": marked_parts(document["snippet"], document["matches"])}
            for document in documents
        ],
        highlight=",".join(map(str, trace["token_ids"][span["token_start"] : span["token_end"]])),
    )
