"""Two or three traced texts side by side: what they took from the training data in common, and what only one
did."""

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
ALL = "All of them have these words from the training data: show the documents"
SOME = "Another one has these words from the training data too: show the documents"
ONLY = "Only this one has these words from the training data: show the documents"


@dataclass(frozen=True)
class Side:
    """One of the texts: painted, with the runs that all have, that some have, and that only it has.

    Of two texts `some` is empty. Longest first.
    """

    subject: Subject
    html: AnswerHtml
    everywhere: list[Json]
    some: list[Json]
    only: list[Json]


@dataclass(frozen=True)
class Comparison:
    """`documents` hold runs of more than one text, those of most first; `models` of each say whose."""

    sides: list[Side]
    documents: list[Json]


def compare_traces(subjects: Sequence[Subject]) -> Comparison:
    """A lit run is in another text where its words, white space aside, stand lit or not there."""
    return Comparison([side(subject, subjects) for subject in subjects], shared_documents(subjects))


def side(subject: Subject, subjects: Sequence[Subject]) -> Side:
    others = [squeezed(other.text) for other in subjects if other is not subject]
    kinds: tuple[list[Json], list[Json], list[Json]] = ([], [], [])
    for span in subject.spans:
        words = squeezed(span["text"])
        found = sum(words in other for other in others)
        kinds[0 if found == len(others) else 1 if found else 2].append(span)
    everywhere, some, only = kinds
    lit = [("span-both", ALL, everywhere), ("span-some", SOME, some), ("span-only", ONLY, only)]
    runs = (addressed(subject, spans) for spans in kinds)
    return Side(subject, subject.painted(by_kind(lit)), *runs)


def addressed(subject: Subject, spans: Sequence[Json]) -> list[Json]:
    """The runs, each text once, longest first, with the address of their documents."""
    runs = {squeezed(span["text"]): span for span in spans}
    longest = sorted(runs.values(), key=lambda span: span["start"] - span["end"])
    return [span | {"address": subject.spans_address(span["start"], span["end"])} for span in longest]


def squeezed(text: str) -> str:
    return " ".join(text.split())


def shared_documents(subjects: Sequence[Subject]) -> list[Json]:
    """Documents behind more than one of the texts, without those that are withheld now."""
    found: dict[tuple[str, int], Json] = {}
    for place, subject in enumerate(subjects):
        for document in hide_withheld(subject.trace).get("documents", []) if subject.trace else []:
            known = found.setdefault((document["store"], document["document"]), document | {"sides": []})
            known["sides"].append(place)
    shared = [document for document in found.values() if len(document["sides"]) > 1]
    shared.sort(key=lambda document: -len(document["sides"]))
    models = [subject.model for subject in subjects]
    return [
        document | {"models": [models[place] for place in document["sides"]]}
        for document in shared[:SHARED_DOCUMENTS]
    ]


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
    """Two or three of one's own answers or texts; with one alone, a list to choose the other from."""
    return await while_wanted(write_comparison, request)


def write_comparison(request: HttpRequest) -> HttpResponse:
    left = subject_of(request, request.GET.get("left", ""))
    context: dict[str, Any] = {"left": left, "section": "trace"}
    if not request.GET.get("right"):
        context |= {"candidates": candidates(request, left)}
        return render(request, "playground/traces/choose.html", context)
    others = [request.GET[name] for name in ("right", "third") if request.GET.get(name)]
    context |= {"comparison": compare_traces([left, *(subject_of(request, ref) for ref in others)])}
    return render(request, "playground/traces/compare.html", context)
