"""Views of one text and its trace: the page, what is lit in it, and the panel of some lit words."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import UUID

from asgiref.sync import sync_to_async
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from accounts.limits.services import Spender, admit_now, admit_request
from playground.chat.page_stream import traced_so_far
from playground.database import while_wanted
from playground.traces.choices import chosen_filters
from playground.traces.filtering import with_more_documents
from playground.traces.lighting import Lighting, LightingForm
from playground.traces.panel import panel_of, spans_at
from playground.traces.requests import linked, own_trace, own_traced, relit
from playground.traces.subjects import Subject, answered, kept_subject
from tracing.models import Share
from tracing.withholding.hiding import hide_withheld
from training.lineage import ancestors_of
from training.models import Checkpoint

PAGE = "playground/traces/page.html"


@require_GET
async def answer_trace(request: HttpRequest, pk: UUID) -> HttpResponse:
    """An answer with its trace: a page of its own, or for htmx the parts that other lighting changes."""

    def load() -> Subject:
        return answered(own_traced(request, pk))

    return await subject_page(request, load)


@require_GET
async def text_trace(request: HttpRequest, pk: UUID) -> HttpResponse:
    """A kept trace; its owner alone finds it here."""

    def load() -> Subject:
        return kept_subject(own_trace(request, pk))

    return await subject_page(request, load)


async def subject_page(request: HttpRequest, load: Callable[[], Subject]) -> HttpResponse:
    return await while_wanted(write_page, request, load)


def write_page(request: HttpRequest, load: Callable[[], Subject]) -> HttpResponse:
    lighting = Lighting.of(request)
    subject = load()
    if Lighting.asked(request):
        admit_now(Spender.of_request(request), "trace")
    subject, problem = relit(subject, lighting)
    if Lighting.asked(request) and not lighting.added and not problem:
        lighting.remember(request)
    context = {"subject": subject, "lighting": subject.lighting, "problem": problem}
    if request.htmx:
        return render(request, "playground/traces/_relit.html", context)
    return render(request, PAGE, context | page_context(request, subject))


def page_context(request: HttpRequest, subject: Subject) -> dict[str, Any]:
    checkpoint = Checkpoint.objects.filter(name=subject.model).first()
    ancestors = ancestors_of(checkpoint) if checkpoint else []
    share = Share.objects.living().filter(trace=subject.pk).first() if subject.route == "text-trace" else None
    context = {"section": "trace", "ancestors": ancestors[::-1]}
    return context | {"share": linked(request, share) if share else None}


@require_GET
async def answer_spans(request: HttpRequest, pk: UUID, start: int, end: int) -> HttpResponse:
    """The panel of the lit words between two characters of an answer, which may still be being written."""
    answer = await sync_to_async(own_traced)(request, pk)
    await admit_request(request, "trace")
    live = await traced_so_far(answer)

    def load() -> Subject:
        subject = answered(answer)
        return replace(subject, trace=live if "spans" in live else {})

    return await while_wanted(write_panel, request, load, start, end, is_admitted=True)


@require_GET
async def text_spans(request: HttpRequest, pk: UUID, start: int, end: int) -> HttpResponse:
    """The panel of the lit words between two characters of a kept trace."""

    def load() -> Subject:
        return kept_subject(own_trace(request, pk))

    return await while_wanted(write_panel, request, load, start, end)


def write_panel(
    request: HttpRequest, load: Callable[[], Subject], start: int, end: int, *, is_admitted: bool = False
) -> HttpResponse:
    """`is_admitted`: it is counted against the limits already."""
    subject = load()
    if not is_admitted:
        admit_now(Spender.of_request(request), "trace")
    subject, problem = relit(subject, Lighting.asked(request) or Lighting())
    filters = chosen_filters(request.GET)
    base = {name: request.GET[name] for name in LightingForm.base_fields if name in request.GET}
    shown = hide_withheld(subject.trace)
    if subject.spans:
        shown = with_more_documents(subject, shown, spans_at(shown, start, end), filters)
    panel = panel_of(shown, start, end, filters, base) if subject.spans else None
    if panel is None:
        raise Http404(problem or f"Nothing between characters {start} and {end} of this text is lit.")
    context = {"panel": panel, "subject": subject, "path": request.path}
    if request.htmx:
        return render(request, "playground/_documents.html", context)
    return render(request, "playground/documents.html", context)
