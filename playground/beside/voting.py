"""Views of blind votes: the answers as they come, the vote, and the running score."""

from uuid import UUID

from asgiref.sync import sync_to_async
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from playground.beside.forms import VoteForm
from playground.beside.lineups import own_lineup, own_lineups
from playground.beside.rounds import LETTERS
from playground.beside.veiled_stream import veiled_events
from playground.beside.votes import VoteRefused, cast_vote, running_score
from playground.chat.event_stream import event_stream
from playground.models import Message, Role, Vote
from playground.views import go_to, refusal


@require_POST
def vote(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Cast a vote, then show which model was which."""
    row, form = own_lineup(request, pk), VoteForm(request.POST)
    if not form.is_valid():
        return refusal(request, "Choose one of the answers, or say that none is better.")
    try:
        cast_vote(lineup=row, verdict=form.found, winner=form.winner)
    except VoteRefused as error:
        return refusal(request, str(error))
    if request.htmx:
        return go_to(request, request.path.removesuffix("vote/"))
    return redirect("lineup", pk=row.pk)


@never_cache
@require_GET
def score(request: HttpRequest) -> HttpResponse:
    """The running score: of one's own votes, and of everybody's."""
    mine = Vote.objects.filter(lineup__in=own_lineups(request))
    context = {"section": "chat", "mine": running_score(mine), "votes": mine.count()}
    context |= {"everyone": running_score(Vote.objects.all()), "all_votes": Vote.objects.count()}
    return render(request, "playground/beside/score.html", context)


@require_GET
async def veiled_stream(request: HttpRequest, pk: UUID, answer: UUID) -> HttpResponseBase:
    """Server-sent events of an answer while nobody may know its model."""
    message, letter = await sync_to_async(veiled_answer)(request, pk, answer)
    return event_stream(veiled_events(message, letter, "playground/beside/_veiled.html"))


def veiled_answer(request: HttpRequest, pk: UUID, answer: UUID) -> tuple[Message, str]:
    """The answer, and its letter in the lineup."""
    row = own_lineup(request, pk)
    answers = Message.objects.filter(thread__seat__lineup=row, role=Role.ASSISTANT)
    message = get_object_or_404(answers.select_related("thread__seat"), pk=answer)
    return message, LETTERS[message.thread.seat.place]
