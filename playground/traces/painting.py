"""Where a text is lit, and the HTML of it: Markdown for a model's answer, plain lines for any other text."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby
from typing import Any

from playground.core.markdown import painted_text, render_blocks
from playground.core.rendering.paints import Paint
from playground.core.think_split import split_thinking
from playground.core.tools.hiding import without_calls
from tracing.core.result import Highlight, merge_spans

Json = dict[str, Any]
Address = Callable[[int, int], str]
"""Where the documents of the lit words between two characters are shown."""

FOUND = "Found in the training data: show the documents"


@dataclass(frozen=True)
class Place:
    """Where a kept span stands."""

    start: int
    end: int
    relevance: str | None


@dataclass(frozen=True)
class Lit:
    """Characters to paint, and as what."""

    start: int
    end: int
    css_class: str
    label: str = FOUND


def segments(spans: list[Json]) -> list[Highlight]:
    """The spans of a kept trace, or of a live one, as they are painted: those that overlap as one."""
    return merge_spans([Place(span["start"], span["end"], span.get("relevance")) for span in spans])


def by_relevance(spans: list[Json]) -> list[Lit]:
    return [Lit(part.start, part.end, f"span span-{part.relevance}") for part in segments(spans)]


def by_kind(kinds: Sequence[tuple[str, str, Sequence[Json]]]) -> list[Lit]:
    """Spans of several kinds, each (css class, label, spans): where they overlap, the first is painted."""
    size = max((span["end"] for _, _, spans in kinds for span in spans), default=0)
    ranks = bytearray([len(kinds)]) * size
    for rank in reversed(range(len(kinds))):
        for span in kinds[rank][2]:
            ranks[span["start"] : span["end"]] = bytes([rank]) * (span["end"] - span["start"])
    lit, start = [], 0
    for rank, run in groupby(ranks):
        end = start + sum(1 for _ in run)
        if rank < len(kinds):
            css_class, label, _ = kinds[rank]
            lit.append(Lit(start, end, f"span {css_class}", label))
        start = end
    return lit


@dataclass(frozen=True)
class AnswerHtml:
    """Sanitised HTML of the thinking and of the answer, a string each top-level block."""

    thinking: list[str]
    answer: list[str]
    has_thinking: bool
    thinking_open: bool
    thinking_words: int = 0


def answer_html(
    raw_text: str, lit: Sequence[Lit], address: Address, *, final: bool = True, hides_calls: bool = False
) -> AnswerHtml:
    """The HTML of a text that a model wrote, or with `final=False` is still writing.

    `hides_calls` leaves out of the answer what a page shows as calls of functions elsewhere.
    """
    parts = split_thinking(raw_text, final=final)

    def blocks(characters: tuple[int, int] | None) -> list[str]:
        if characters is None:
            return []
        start, end = characters
        text, paints = raw_text[start:end], paints_within(lit, address, start, end)
        if hides_calls and characters == parts.answer:
            text, paints = without_calls(text, paints, final=final)
        return render_blocks(text, paints)

    return AnswerHtml(
        thinking=blocks(parts.thinking),
        answer=blocks(parts.answer),
        has_thinking=parts.thinking is not None,
        thinking_open=parts.thinking is not None and not parts.thinking_closed,
        thinking_words=len(parts.thinking_text.split()),
    )


def plain_html(text: str, lit: Sequence[Lit], address: Address) -> AnswerHtml:
    """The HTML of any text, letter by letter as it is."""
    pieces, done = [], 0
    for paint in paints_within(lit, address, 0, len(text)):
        pieces += [
            escape(text[done : paint.start]),
            painted_text(escape(text[paint.start : paint.end]), paint),
        ]
        done = paint.end
    pieces.append(escape(text[done:]))
    html = f'<div class="plain-text">{"".join(pieces)}</div>'
    return AnswerHtml(thinking=[], answer=[html], has_thinking=False, thinking_open=False)


def paints_within(lit: Sequence[Lit], address: Address, start: int, end: int) -> list[Paint]:
    """What is lit in [start, end), cut to it and counted from its start."""
    return [
        Paint(
            max(part.start, start) - start,
            min(part.end, end) - start,
            href=address(part.start, part.end),
            css_class=part.css_class,
            label=part.label,
        )
        for part in lit
        if part.start < end and part.end > start
    ]
