"""Views by which people share a comparison, and by which anyone with the link reads it."""

from dataclasses import dataclass
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from accounts.owners import Owner
from playground.beside.lineups import own_lineup
from playground.database import while_wanted
from playground.models import Role, SharedLineup, SharedSide, SharedTurn
from playground.sharing.lineups import find_shared_lineup, revoke_lineup, share_lineup, shared_lineups_of
from playground.sharing.subjects import TurnView, views_of
from playground.traces.comparing import compare_traces
from playground.traces.requests import linked_lineup, refused
from playground.traces.shared import unlisted
from playground.traces.shares import ShareForm
from tracing.core.errors import InputError


@require_POST
def share(request: HttpRequest, pk: UUID) -> HttpResponse:
    """A link to a comparison as it is now."""
    lineup, form = own_lineup(request, pk), ShareForm(request.POST)
    expires_in = form.expires_in() if form.is_valid() else None
    try:
        shared = share_lineup(owner=Owner.of(request), lineup=lineup, expires_in=expires_in)
    except InputError as error:
        if request.htmx:
            return render(request, "playground/sharing/_refused.html", {"error": error}, status=422)
        return refused(request, error)
    if not request.htmx:
        return redirect("shares")
    context = {"share": linked_lineup(request, shared)}
    return render(request, "playground/traces/_shared_link.html", context)


@require_POST
def revoke(request: HttpRequest, pk: UUID) -> HttpResponse:
    """The link leads nowhere from now on. Someone else's is a 404."""
    revoke_lineup(shared=get_object_or_404(shared_lineups_of(Owner.of(request)), pk=pk))
    if request.htmx:
        return render(request, "playground/traces/_share_revoked.html")
    return redirect("shares")


@dataclass(frozen=True)
class SharedRound:
    """One prompt and its answers; `number` counts from 0."""

    shared: SharedLineup
    number: int
    question: SharedTurn | None
    answers: list[TurnView]

    @property
    def comparison(self) -> str:
        """The address of the difference of their traces; empty where one has none."""
        if not all(answer.subject.spans for answer in self.answers):
            return ""
        return reverse("shared-lineup-round", args=[self.shared.token, self.number])


def rounds_of(shared: SharedLineup) -> list[SharedRound]:
    sides = [exchanges(views_of(side.shared, list(side.shared.turns.all()))) for side in sides_of(shared)]
    return [
        SharedRound(shared, number, row[0][0], [answer for _, answer in row])
        for number, row in enumerate(zip(*sides, strict=False))
    ]


def sides_of(shared: SharedLineup) -> list[SharedSide]:
    return list(shared.sides.select_related("shared").prefetch_related("shared__turns"))


def exchanges(views: list[TurnView]) -> list[tuple[SharedTurn | None, TurnView]]:
    """(question, answer) for each answer."""
    found, question = list[tuple[SharedTurn | None, TurnView]](), None
    for view in views:
        if view.turn.role == Role.USER:
            question = view.turn
        elif view.is_answer:
            found.append((question, view))
    return found


@unlisted
@require_GET
async def shared_lineup(request: HttpRequest, token: str) -> HttpResponse:
    """The shared comparison with what is lit in its answers."""
    return await while_wanted(write_lineup, request, token)


def write_lineup(request: HttpRequest, token: str) -> HttpResponse:
    shared = lineup_behind(token)
    system = SharedTurn.objects.filter(shared__side__lineup=shared, role="system").first()
    context = {"section": "shared", "shared": shared, "rounds": rounds_of(shared), "system": system}
    return render(request, "playground/sharing/lineup.html", context)


@unlisted
@require_GET
async def shared_round(request: HttpRequest, token: str, number: int) -> HttpResponse:
    """What the answers of one round took from the training data in common, and what only one did."""
    return await while_wanted(write_round, request, token, number)


def write_round(request: HttpRequest, token: str, number: int) -> HttpResponse:
    rounds = rounds_of(lineup_behind(token))
    if number >= len(rounds) or not rounds[number].comparison:
        raise Http404("This comparison has no such round, or one of its answers was not traced.")
    comparison = compare_traces([answer.subject for answer in rounds[number].answers])
    context = {"section": "shared", "comparison": comparison}
    return render(request, "playground/traces/compare.html", context)


def lineup_behind(token: str) -> SharedLineup:
    shared = find_shared_lineup(token)
    if shared is None:
        raise Http404("This link leads nowhere: it was revoked, has expired, or was not copied whole.")
    return shared
