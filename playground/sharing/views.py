"""Views by which people share a chat, and by which anyone with the link reads it."""

from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_POST

from accounts.owners import Owner
from playground.database import while_wanted
from playground.models import Role
from playground.sharing.models import SharedThread
from playground.sharing.services import find_shared, revoke_shared, share_thread, shared_threads_of
from playground.sharing.subjects import prompt_before, subject_of, views_of
from playground.traces.pages import write_panel
from playground.traces.requests import linked_chat, own_threads, refused
from playground.traces.shared import unlisted
from playground.traces.shares import ShareForm
from playground.traces.subjects import Subject
from tracing.core.errors import InputError

PAGE_TURNS = 60


@require_POST
def share_chat(request: HttpRequest, pk: UUID) -> HttpResponse:
    """A link to a chat as it is now, with its traces."""
    thread = get_object_or_404(own_threads(request), pk=pk)
    form = ShareForm(request.POST)
    expires_in = form.expires_in() if form.is_valid() else None
    try:
        shared = share_thread(owner=Owner.of(request), thread=thread, expires_in=expires_in)
    except InputError as error:
        if request.htmx:
            return render(request, "playground/sharing/_refused.html", {"error": error}, status=422)
        return refused(request, error)
    if not request.htmx:
        return redirect("shares")
    return render(request, "playground/traces/_shared_link.html", {"share": linked_chat(request, shared)})


@require_POST
def revoke_chat(request: HttpRequest, pk: UUID) -> HttpResponse:
    """The link leads nowhere from now on. Someone else's is a 404."""
    shared = get_object_or_404(shared_threads_of(Owner.of(request)), pk=pk)
    revoke_shared(shared=shared)
    if request.htmx:
        return render(request, "playground/traces/_share_revoked.html")
    return redirect("shares")


@unlisted
@require_GET
async def shared_chat(request: HttpRequest, token: str) -> HttpResponse:
    """The shared chat with what is lit in its answers, a page of turns at a time."""
    return await while_wanted(write_chat, request, token)


def write_chat(request: HttpRequest, token: str) -> HttpResponse:
    shared = chat_behind(token)
    first = first_shown(request)
    found = list(shared.turns.filter(position__gte=first)[: PAGE_TURNS + 1])
    if not found:
        raise Http404("This chat has no such turn.")
    later = found[PAGE_TURNS].position if len(found) > PAGE_TURNS else None
    context = {"section": "shared", "shared": shared, "turns": views_of(shared, found[:PAGE_TURNS])}
    context |= {"later": later, "earlier": max(0, first - PAGE_TURNS) if first else None}
    return render(request, "playground/sharing/chat.html", context)


def first_shown(request: HttpRequest) -> int:
    """The turn that a page begins with; a link to one in the middle gets the page that holds it."""
    text = request.GET.get("from", "0")
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 9 else 0
    return number - number % PAGE_TURNS


def chat_behind(token: str) -> SharedThread:
    shared = find_shared(token)
    if shared is None:
        raise Http404("This link leads nowhere: it was revoked, has expired, or was not copied whole.")
    return shared


@unlisted
@require_GET
async def shared_chat_spans(
    request: HttpRequest, token: str, position: int, start: int, end: int
) -> HttpResponse:
    """The panel of some lit words of a shared answer; what is withheld now is not in it."""

    def load() -> Subject:
        shared = chat_behind(token)
        turn = get_object_or_404(shared.turns.filter(role=Role.ASSISTANT), position=position)
        return subject_of(shared, turn, prompt_before(turn))

    return await while_wanted(write_panel, request, load, start, end)
