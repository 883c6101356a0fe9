"""/compare/: one prompt to two or three models."""

import logging
from typing import Any
from uuid import UUID, uuid4

from asgiref.sync import sync_to_async
from django.db import IntegrityError, OperationalError
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.limits.services import admitted
from accounts.owners import Owner
from accounts.visitors.newcomers import greet
from playground.beside.engine_words import sharing_notice
from playground.beside.forms import MODEL_FIELDS, LineupForm
from playground.beside.lineups import (
    LineupPrompt,
    add_round,
    create_lineup,
    models_of,
    own_deleted_lineups,
    own_lineup,
    own_lineups,
    threads_of,
    writing_in,
)
from playground.beside.pickers import kept_pickers, new_pickers
from playground.beside.rounds import rounds_of
from playground.branching.sending import Sending, uuid_or_none
from playground.chat.answer_stream import AnswerStream
from playground.chat.engine_notice import engine_notice
from playground.chat.generation import start_writing
from playground.chat.threads import ThreadBusyError
from playground.composer.views import page_context
from playground.models import Lineup, Message
from playground.traces.comparing import compare as compare_traces
from playground.traces.lighting import Lighting
from playground.traces.requests import own_threads
from playground.views import go_to, refusal, unsaved
from tracing.core.errors import InputError

logger = logging.getLogger(__name__)
LISTED = 30


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
async def beside(request: HttpRequest) -> HttpResponse:
    """A new lineup; with `left` in the address, the comparison of traces that there are already."""
    if request.method == "POST":
        return await send(request)
    if "left" in request.GET:
        return await compare_traces(request)
    return await sync_to_async(new_page)(request)


def new_page(request: HttpRequest) -> HttpResponse:
    """With the models that the address names as `a`, `b` and `c`."""
    asked = [request.GET.get(name, "") for name in ("a", "b", "c")]
    deleted = own_deleted_lineups(request).filter(pk=uuid_or_none(request.GET.get("deleted"))).first()
    page = lineup_page(
        request,
        pickers=new_pickers(asked, request.user),
        blind="blind" in request.GET,
        lineups=list(own_lineups(request)[:LISTED]),
        deleted=deleted,
        question_id=uuid4(),
    )
    return greet(request, page)


@never_cache
@require_GET
def lineup(request: HttpRequest, pk: UUID) -> HttpResponse:
    """All conversations; whoever reloads finds all that was written meanwhile."""
    row = own_lineup(request, pk)
    rounds = rounds_of(row, Lighting.remembered(request))
    return lineup_page(request, lineup=row, rounds=rounds, pickers=kept_pickers(row, request.user))


def lineup_page(request: HttpRequest, **context: Any) -> HttpResponse:
    context |= {"section": "chat", "notice": engine_notice() or sharing_notice()}
    row: Lineup | None = context.get("lineup")
    veiled = row is not None and row.is_veiled  # whose settings would say which model the first is
    thread = threads_of(row)[0] if row else None
    context |= page_context(request, model="" if veiled else context["pickers"][0].chosen, thread=thread)
    return render(request, "playground/beside/page.html", context)


@require_POST
async def send(request: HttpRequest, pk: UUID | None = None) -> HttpResponse:
    """Save a prompt for every model, and begin their answers."""
    try:
        response, answers = await sync_to_async(save_prompts)(request, pk)
    except OperationalError as error:
        logger.error("A prompt for several models could not be saved: %s", error)
        return refusal(request, unsaved(error), status=507)
    for answer in answers:
        start_writing(answer.pk)
    return response


def save_prompts(request: HttpRequest, pk: UUID | None) -> tuple[HttpResponse, list[Message]]:
    row = own_lineup(request, pk) if pk else None
    places = row.seats.count() if row else None
    form = LineupForm(sent_fields(request, row), user=request.user, places=places)
    if not form.is_valid():
        return refusal(request, form.first_error()), []
    asked = form.lineup_prompt()
    try:
        row, answers = saved_once(request, row, asked)
    except (ThreadBusyError, InputError) as error:
        return refusal(request, str(error)), []
    return go_to(request, reverse("lineup", args=[row.pk])), answers


def saved_once(request: HttpRequest, row: Lineup | None, asked: LineupPrompt) -> tuple[Lineup, list[Message]]:
    """The lineup and the answers to begin: none of one that was begun by the same prompt, sent twice."""
    sending = Sending.of(request)
    try:
        with admitted(request, "chat", times=len(asked.sides)):
            return saved(request, row, asked, sending.question_id)
    except IntegrityError:
        if before := sending.answer_before(own_threads(request), asked.prompt):
            return before.thread.seat.lineup, []
        with admitted(request, "chat", times=len(asked.sides)):  # the page was kept, and asks something else
            return saved(request, row, asked, uuid4())


def saved(
    request: HttpRequest, row: Lineup | None, asked: LineupPrompt, question_id: UUID
) -> tuple[Lineup, list[Message]]:
    if row:
        return row, add_round(lineup=row, asked=asked)
    owner = Owner.of(request)
    return create_lineup(
        owner=owner.user, session_key=owner.session_key, asked=asked, question_id=question_id
    )


def sent_fields(request: HttpRequest, row: Lineup | None) -> QueryDict:
    """What was sent; while nobody may know the models, they stay those that there are."""
    fields = request.POST.copy()
    if row and row.is_veiled:
        for name, model in zip(MODEL_FIELDS, models_of(row), strict=False):
            fields[name] = model.name if model else ""
    return fields


@never_cache
@require_GET
def together(request: HttpRequest, pk: UUID, number: int) -> HttpResponse:
    """What can be done with a round's answers once all are there; asked again until then."""
    row = own_lineup(request, pk)
    rounds = rounds_of(row, Lighting.remembered(request))
    found = rounds[number] if number < len(rounds) else None
    context = {"lineup": row, "round": found, "is_last": number == len(rounds) - 1}
    return render(request, "playground/beside/_together.html", context)


@require_POST
async def stop(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Stop every answer that is still being written; what there is stays."""
    row = await sync_to_async(own_lineup)(request, pk)
    for answer in await sync_to_async(writing_in)(row):
        await AnswerStream(answer.pk).ask_to_stop()
    return HttpResponse(status=204) if request.htmx else redirect("lineup", pk=row.pk)
