"""What a person does with the calls in their chat: approve, refuse, give the result of their own function."""

from uuid import UUID

from asgiref.sync import sync_to_async
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from playground.branching.turns import Stretch, turns_of
from playground.chat.branches import links_of
from playground.models import CallRecord, Message
from playground.tools import calls
from playground.tools.presentation import CallsView
from playground.tools.running import start_running
from playground.traces.lighting import Lighting
from playground.traces.requests import own_answer, own_threads
from tracing.core.errors import InputError


@require_POST
async def approve(request: HttpRequest, pk: int) -> HttpResponse:
    """Run a server's call; with `lasting`, and those of the same function later in this chat."""
    record = await sync_to_async(own_call)(request, pk)
    lasting = bool(request.POST.get("lasting"))
    changed = await sync_to_async(calls.approve)(record, lasting=lasting)
    return await gone_on(request, record, changed)


@require_POST
async def refuse(request: HttpRequest, pk: int) -> HttpResponse:
    record = await sync_to_async(own_call)(request, pk)
    return await gone_on(request, record, await sync_to_async(calls.refuse)(record))


@require_POST
async def answer(request: HttpRequest, pk: int) -> HttpResponse:
    """The result of a function that the person declared, as they write it."""
    record = await sync_to_async(own_call)(request, pk)
    try:
        changed = await sync_to_async(calls.answer_by_hand)(record, request.POST.get("result", ""))
    except InputError as error:
        return await sync_to_async(show)(request, record.message, error=str(error))
    return await gone_on(request, record, changed)


@never_cache
@require_GET
async def follow(request: HttpRequest, pk: UUID) -> HttpResponse:
    """The calls of an answer as they are now, and the answer that goes on from them once there is one.

    Nothing where the page has `seen` them so: it may be any of the person's, and somebody may write in it.
    """
    message = await sync_to_async(own_answer)(request, pk)
    await sync_to_async(calls.settle_lost)(message)
    return await sync_to_async(show_news)(request, message)


async def gone_on(request: HttpRequest, record: CallRecord, changed: bool) -> HttpResponse:
    if changed:
        start_running(record.message_id)
    return await sync_to_async(show)(request, record.message)


def own_call(request: HttpRequest, pk: int) -> CallRecord:
    """A call in the browser's own chat; someone else's, or none, is a 404."""
    mine = CallRecord.objects.filter(message__thread__in=own_threads(request))
    return get_object_or_404(mine.select_related("server", "message__thread", "message__checkpoint"), pk=pk)


def show_news(request: HttpRequest, message: Message) -> HttpResponse:
    if request.htmx and request.GET.get("seen") == CallsView.of(message).seen:
        return HttpResponse(status=204)
    return show(request, message)


def show(request: HttpRequest, message: Message, *, error: str = "") -> HttpResponse:
    if not request.htmx:
        return redirect("thread", pk=message.thread_id)
    view = CallsView.of(message)
    context = {"view": view, "message": message, "error": error}
    if view.following:
        turns = turns_of([view.following.pk], links_of(message.thread_id), Lighting())
        context["stretch"] = Stretch(message.thread, turns, view.following.pk)
    return render(request, "playground/tools/_update.html", context)
