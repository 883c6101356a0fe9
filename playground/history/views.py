"""/chats/ and what is done with one chat: each view parses, calls one service, renders."""

from uuid import UUID

from asgiref.sync import sync_to_async
from django.conf import settings
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.html import escape
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from accounts.owners import Owner
from playground.beside.lineups import own_deleted_lineups
from playground.branching.sending import uuid_or_none
from playground.chat.answer_stream import AnswerStream
from playground.history import services
from playground.history.files import import_chat
from playground.history.forms import ImportForm
from playground.history.searching import found_in, threads_with, words_of
from playground.models import Message, Thread, ThreadQuerySet
from playground.traces.requests import own_threads
from playground.views import go_to
from tracing.core.errors import InputError

A_PAGE = 50
QUERY_CHARACTERS_MAX = 500


def own_deleted(request: HttpRequest) -> ThreadQuerySet:
    """The browser's own threads that can still be had back, but for those that stand beside each other."""
    mine = Thread.objects.of_browser(request).filter(seat=None)
    return mine.exclude(deleted_at=None).order_by("-deleted_at")


def own_thread(request: HttpRequest, pk: UUID) -> Thread:
    thread: Thread = get_object_or_404(own_threads(request), pk=pk)
    return thread


@never_cache
@require_GET
def chats(request: HttpRequest) -> HttpResponse:
    """One's chats, the latest first; with `q` those that have all of its words."""
    return show_chats(request)


def show_chats(request: HttpRequest, *, problem: str = "", status: int = 200) -> HttpResponse:
    query = request.GET.get("q", "")[:QUERY_CHARACTERS_MAX]
    words = words_of(query)
    pages = Paginator(threads_with(own_threads(request).listed(), words), A_PAGE)
    page = pages.get_page(request.GET.get("page"))
    context = {"section": "chat", "query": query, "page": page, "found": found_in(list(page), words)}
    context |= {
        "problem": problem,
        "deleted": just_deleted(request),
        "any_deleted": own_deleted(request).exists() or own_deleted_lineups(request).exists(),
    }
    return render(request, "playground/history/chats.html", context, status=status)


def just_deleted(request: HttpRequest) -> Thread | None:
    return own_deleted(request).filter(pk=uuid_or_none(request.GET.get("deleted"))).first()


@never_cache
@require_GET
def deleted_chats(request: HttpRequest) -> HttpResponse:
    """What can be had back, the last deleted first."""
    page = Paginator(own_deleted(request), A_PAGE).get_page(request.GET.get("page"))
    context = {"section": "chat", "page": page, "days": settings.DELETED_CHAT_DAYS}
    context["lineups"] = own_deleted_lineups(request)
    return render(request, "playground/history/deleted.html", context)


@never_cache
@require_POST
def rename(request: HttpRequest, pk: UUID) -> HttpResponse:
    """A refused name says why, beside where it was written."""
    try:
        services.rename_thread(thread=own_thread(request, pk), title=request.POST.get("title", ""))
    except InputError as error:
        if request.htmx:
            return HttpResponse(escape(str(error)), status=422)
        return show_chats(request, problem=str(error), status=422)
    return HttpResponse(headers={"HX-Refresh": "true"}) if request.htmx else redirect("thread", pk=pk)


@never_cache
@require_POST
async def delete(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Delete a chat, until it is had back, and stop its answer where one is being written."""
    thread, writing = await sync_to_async(deleted)(request, pk)
    for answer in writing:
        await AnswerStream(answer.pk).ask_to_stop()
    if request.htmx:
        return render(request, "playground/history/_deleted.html", {"thread": thread})
    return redirect(f"{reverse('chats')}?deleted={pk}")


def deleted(request: HttpRequest, pk: UUID) -> tuple[Thread, list[Message]]:
    thread = own_thread(request, pk)
    return thread, services.delete_thread(thread=thread)


@never_cache
@require_POST
def restore(request: HttpRequest, pk: UUID) -> HttpResponse:
    thread = get_object_or_404(own_deleted(request), pk=pk)
    services.restore_thread(thread=thread)
    if request.htmx:
        return render(request, "playground/history/_row.html", {"thread": thread})
    return redirect("thread", pk=pk)


@never_cache
@require_POST
def purge(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Delete for good what was deleted before."""
    services.purge_thread(thread=get_object_or_404(own_deleted(request), pk=pk))
    return redirect("deleted-chats")


@never_cache
@require_POST
def keep(request: HttpRequest, pk: UUID) -> HttpResponse:
    """A temporary chat is to stay."""
    services.keep_thread(thread=own_thread(request, pk))
    return go_to(request, reverse("thread", args=[pk]))


@never_cache
@require_POST
def import_file(request: HttpRequest) -> HttpResponse:
    """A chat from a file becomes one of one's own."""
    form = ImportForm(request.POST, request.FILES)
    if not form.is_valid():
        problem = next(str(error) for errors in form.errors.values() for error in errors)
        return show_chats(request, problem=problem, status=422)
    thread = import_chat(owner=Owner.of(request), chat=form.cleaned_data["file"])
    return redirect("thread", pk=thread.pk)
