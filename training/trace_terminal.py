"""A trace in a terminal: the text with its spans in colour, then the documents behind them."""

from collections.abc import Iterator
from typing import Any

from rich.console import Console
from rich.text import Text

from tracing.core.indexes import unanswered_words

STYLES = {"high": "bold black on green", "medium": "black on yellow", "low": "black on bright_blue"}
RAW_STYLE = "underline"
DOCUMENTS_SHOWN = 10


def print_trace(trace: dict[str, Any], console: Console) -> None:
    """Prints what POST /v1/traces would answer, for people."""
    console.print(painted(trace["text"], [(s["start"], s["end"], style_of(s)) for s in trace["spans"]]))
    console.print()
    for number, span in enumerate(trace["spans"]):
        console.print(span_line(number, span), soft_wrap=True)
    for number, document in enumerate(trace["documents"][:DOCUMENTS_SHOWN]):
        print_document(number, document, console)
    more = len(trace["documents"]) - DOCUMENTS_SHOWN
    if more > 0:
        console.print(f"... and {more} more documents (--json prints them all)", style="dim")
    console.print(summary(trace), style="dim")
    if missing := unanswered_words(trace["indexes"]):
        console.print(painted(missing, [(0, len(missing), "yellow")]))


def painted(text: str, marks: list[tuple[int, int, str]]) -> Text:
    """The text with each (start, end, style) painted, by offset; control characters shown, not obeyed."""
    made = Text("".join(c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in text))
    for start, end, style in marks:
        made.stylize(style, start, end)
    return made


def style_of(span: dict[str, Any]) -> str:
    return STYLES.get(span["relevance"] or "", RAW_STYLE)


def span_line(number: int, span: dict[str, Any]) -> Text:
    stages = ", ".join(f"{stage} {count:,}" for stage, count in span["stages"].items())
    found = f"  {span['count']:,} times ({stages})"
    if span["documents"]:
        found += f"  documents {', '.join(map(str, span['documents'][:DOCUMENTS_SHOWN]))}"
    if span.get("matched_on") == "bytes":
        found += "  in other tokens"
    if span.get("added"):
        found += "  added"
    quoted = painted(repr(span["text"]), [])
    return Text.assemble((f"span {number}: ", "bold"), quoted, (found, "dim"))


def print_document(number: int, document: dict[str, Any], console: Console) -> None:
    """Where the document is from, when it was seen, and the lines around its matches."""
    console.print()
    console.print(Text.assemble((f"document {number}: ", "bold"), *heading(document)), soft_wrap=True)
    style = STYLES[document["relevance"]]
    console.print(painted(document["snippet"], [(start, end, style) for start, end in document["matches"]]))


def heading(document: dict[str, Any]) -> Iterator[tuple[str, str]]:
    yield f"{document['title'] or document['id'] or '?'}  ", ""
    facts = [document["source"], document["stage"], document["licence"], seen_words(document["seen"])]
    yield " · ".join(fact for fact in facts if fact), "dim"


def seen_words(seen: dict[str, Any] | None) -> str:
    """`seen 2 times, steps 31 to 604`, or nothing where that is not known."""
    if seen is None:
        return ""
    if not seen["times"]:
        return "not seen yet by this checkpoint"
    return f"seen {seen['times']} times, steps {seen['first_step']:,} to {seen['last_step']:,}"


def summary(trace: dict[str, Any]) -> str:
    coverage, timing = trace["coverage"], trace["timing_ms"]
    answered = [index for index in trace["indexes"] if index.get("answered", True)]
    indexes = ", ".join(f"{index['name']} ({index['tokens']:,} tokens)" for index in answered)
    return (
        f"\n{coverage['share']:.0%} of {len(trace['token_ids']):,} tokens in spans, longest match "
        f"{coverage['longest_span_tokens']} tokens, {timing['total']:.1f} ms, in {indexes}"
    )
