"""/compare/: one prompt to two models."""

import logging
from typing import Any
from uuid import UUID

from asgiref.sync import sync_to_async
from django.db import OperationalError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from playground.beside.engine_words import sharing_notice
from playground.beside.forms import PairForm
from playground.beside.pairs import Answers, add_round, create_pair, own_pairs, rounds_of
from playground.chat.engine_notice import engine_notice
from playground.chat.generation import start_writing
from playground.chat.models_offered import model_menu
from playground.chat.threads import ThreadBusyError
from playground.composer.views import page_context
from playground.models import Pair
from playground.traces.comparing import compare as compare_two_traces
from playground.traces.lighting import Lighting
from playground.views import go_to, refusal, unsaved

logger = logging.getLogger(__name__)
LISTED = 30


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
async def beside(request: HttpRequest) -> HttpResponse:
    """A new pair; with `left` in the address, the comparison of two traces that there are already."""
    if request.method == "POST":
        return await send(request)
    if "left" in request.GET:
        return await compare_two_traces(request)
    return await sync_to_async(new_pair_page)(request)


def new_pair_page(request: HttpRequest) -> HttpResponse:
    left = model_menu(request.GET.get("a", ""), user=request.user)
    second = request.GET.get("b", "") or second_of(left.names, left.chosen)
    right = model_menu(second, user=request.user)
    return pair_page(request, left=left, right=right, pairs=list(own_pairs(request)[:LISTED]))


def second_of(names: list[str], first: str) -> str:
    return next((name for name in names if name != first), first)


@never_cache
@require_GET
def pair(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Both conversations; whoever reloads finds all that was written meanwhile."""
    row = own_pair(request, pk)
    rounds = rounds_of(row, Lighting.remembered(request))
    names = [view.message.checkpoint.name if view.message.checkpoint else "" for view in rounds[-1].answers]
    left, right = (model_menu(name, user=request.user) for name in names)
    return pair_page(request, pair=row, rounds=rounds, left=left, right=right)


def pair_page(request: HttpRequest, **context: Any) -> HttpResponse:
    pair: Pair | None = context.get("pair")
    context |= {"section": "chat", "notice": engine_notice() or sharing_notice()}
    context |= page_context(request, model=context["left"].chosen, thread=pair.left if pair else None)
    return render(request, "playground/beside/page.html", context)


@require_POST
async def send(request: HttpRequest, pk: UUID | None = None) -> HttpResponse:
    """Save a prompt for both models, and begin both answers."""
    try:
        response, answers = await sync_to_async(save_prompts)(request, pk)
    except OperationalError as error:
        logger.error("A prompt for two could not be saved: %s", error)
        return refusal(request, unsaved(error), status=507)
    for answer in answers:
        start_writing(answer.pk)
    return response


def save_prompts(request: HttpRequest, pk: UUID | None) -> tuple[HttpResponse, Answers | tuple[()]]:
    form = PairForm(request.POST, user=request.user)
    if not form.is_valid():
        return refusal(request, form.first_error()), ()
    try:
        row, answers = saved(request, pk, form)
    except ThreadBusyError as error:
        return refusal(request, str(error)), ()
    return go_to(request, reverse("pair", args=[row.pk])), answers


def saved(request: HttpRequest, pk: UUID | None, form: PairForm) -> tuple[Pair, Answers]:
    if pk:
        row = own_pair(request, pk)
        return row, add_round(pair=row, asked=form.pair_prompt())
    if not request.session.session_key:
        request.session.create()
    owner = request.user if request.user.is_authenticated else None
    session_key = "" if owner else request.session.session_key or ""
    return create_pair(owner=owner, session_key=session_key, asked=form.pair_prompt())


@never_cache
@require_GET
def together(request: HttpRequest, pk: UUID, number: int) -> HttpResponse:
    """What one round's two answers have together, once both are done; asked again until then."""
    row = own_pair(request, pk)
    rounds = rounds_of(row, Lighting.remembered(request))
    context = {"pair": row, "round": rounds[number] if number < len(rounds) else None}
    return render(request, "playground/beside/_together.html", context)


def own_pair(request: HttpRequest, pk: UUID) -> Pair:
    return get_object_or_404(own_pairs(request), pk=pk)
