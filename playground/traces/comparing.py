"""Two traced texts side by side: what both took from the training data, and what only one did."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from playground.database import while_wanted
from playground.models import Lineup, Message, MessageState, Role
from playground.traces.painting import AnswerHtml, by_kind
from playground.traces.requests import own_threads, own_trace, own_traced
from playground.traces.subjects import Subject, answered, kept_subject
from tracing.models import KeptKind, KeptTrace
from tracing.withholding.hiding import hide_withheld

Json = dict[str, Any]
REF = re.compile(r"(answer|text)-([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})")
OFFERED = 60
SHARED_DOCUMENTS = 20
BOTH = "Both texts have these words from the training data: show the documents"
ONLY = "Only this text has these words from the training data: show the documents"


@dataclass(frozen=True)
class Side:
    """One of the two texts: painted, with the runs that only it has, longest first."""

    subject: Subject
    html: AnswerHtml
    both: list[Json]
    only: list[Json]


@dataclass(frozen=True)
class Comparison:
    """`documents` hold runs of both texts; each is as the left one's trace shows it."""

    left: Side
    right: Side
    documents: list[Json]

    @property
    def sides(self) -> list[Side]:
        return [self.left, self.right]


def compare_traces(left: Subject, right: Subject) -> Comparison:
    """A lit run is in both texts where its words, white space aside, stand lit or not in the other."""
    return Comparison(side(left, right), side(right, left), shared_documents(left.trace, right.trace))


def side(subject: Subject, other: Subject) -> Side:
    letters = squeezed(other.text)
    both = [span for span in subject.spans if squeezed(span["text"]) in letters]
    only = [span for span in subject.spans if span not in both]
    lit = by_kind([("span-both", BOTH, both), ("span-only", ONLY, only)])
    return Side(subject, subject.painted(lit), addressed(subject, both), addressed(subject, only))


def addressed(subject: Subject, spans: Sequence[Json]) -> list[Json]:
    """The runs, each text once, longest first, with the address of their documents."""
    runs = {squeezed(span["text"]): span for span in spans}
    longest = sorted(runs.values(), key=lambda span: span["start"] - span["end"])
    return [span | {"address": subject.spans_address(span["start"], span["end"])} for span in longest]


def squeezed(text: str) -> str:
    return " ".join(text.split())


def shared_documents(left: Json, right: Json) -> list[Json]:
    known = {(document["store"], document["document"]) for document in right.get("documents", [])}
    documents = hide_withheld(left).get("documents", []) if left else []
    both = [document for document in documents if (document["store"], document["document"]) in known]
    return both[:SHARED_DOCUMENTS]


def subject_of(request: HttpRequest, ref: str) -> Subject:
    """The browser's own answer or kept trace; anything else is a 404."""
    matched = REF.fullmatch(ref)
    if matched is None:
        raise Http404(f"{ref[:60]!r} names no answer and no traced text.")
    pk = UUID(matched[2])
    if matched[1] == "answer":
        return answered(own_traced(request, pk))
    return kept_subject(own_trace(request, pk))


def candidates(request: HttpRequest, left: Subject) -> list[Subject]:
    """The browser's own newest traced answers and texts, the one to be compared left out."""
    answers = Message.objects.filter(thread__in=own_threads(request), role=Role.ASSISTANT)
    veiled = Lineup.objects.veiled().values("seats__thread")
    traced = answers.exclude(state=MessageState.WRITING).exclude(trace=None).exclude(pk=left.pk)
    traced = traced.exclude(thread__in=veiled)
    newest = traced.select_related("checkpoint", "thread").order_by("-created_at")[:OFFERED]
    texts = KeptTrace.objects.of_browser(request).filter(kind=KeptKind.TEXT).exclude(pk=left.pk)[:OFFERED]
    found = [*map(answered, newest), *map(kept_subject, texts)]
    found.sort(key=lambda subject: subject.created_at, reverse=True)
    return [subject for subject in found if subject.spans]


@require_GET
async def compare(request: HttpRequest) -> HttpResponse:
    """Two of one's own answers or texts side by side; with one alone, a list to choose the other from."""
    return await while_wanted(write_comparison, request)


def write_comparison(request: HttpRequest) -> HttpResponse:
    left = subject_of(request, request.GET.get("left", ""))
    context: dict[str, Any] = {"left": left, "section": "trace"}
    if not request.GET.get("right"):
        context |= {"candidates": candidates(request, left)}
        return render(request, "playground/traces/choose.html", context)
    right = subject_of(request, request.GET["right"])
    context |= {"comparison": compare_traces(left, right)}
    return render(request, "playground/traces/compare.html", context)
