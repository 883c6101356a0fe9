"""/messages/…: editing a prompt, asking for another answer, forking. What was there always stays."""

import logging
from uuid import UUID

from asgiref.sync import sync_to_async
from django.db import OperationalError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from accounts.limits.services import admitted
from playground.branching.again import form_again
from playground.branching.forking import fork_thread
from playground.branching.turns import address_at, stretch_of
from playground.branching.waiting import Begun, Save, save_when_free
from playground.chat.generation import start_writing
from playground.chat.threads import ThreadBusyError, answer_again, edit_prompt
from playground.models import Message, Role
from playground.tools.running import start_running
from playground.traces.lighting import Lighting
from playground.traces.requests import own_answer, own_threads
from playground.views import go_to, refusal, unsaved
from tracing.core.errors import InputError

logger = logging.getLogger(__name__)


def own_message(request: HttpRequest, pk: UUID | None) -> Message:
    """The browser's own message, whoever's words; someone else's, or nobody's, is a 404."""
    messages = Message.objects.filter(thread__in=own_threads(request))
    return get_object_or_404(messages.select_related("thread", "parent", "checkpoint"), pk=pk)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
async def edit(request: HttpRequest, pk: UUID) -> HttpResponse:
    """A box with the prompt's text; what is sent from it is asked beside the first."""
    if request.method == "POST":
        return await begun(request, save_edit, pk)
    return await sync_to_async(edit_box)(request, pk)


def edit_box(request: HttpRequest, pk: UUID) -> HttpResponse:
    return show_box(request, own_prompt(request, pk))


def own_prompt(request: HttpRequest, pk: UUID | None) -> Message:
    return get_object_or_404(Message, pk=own_message(request, pk).pk, role=Role.USER)


def show_box(request: HttpRequest, message: Message, *, error: str = "", status: int = 200) -> HttpResponse:
    page = "playground/branching/_edit.html" if request.htmx else "playground/branching/edit.html"
    return render(request, page, {"message": message, "error": error, "section": "chat"}, status=status)


def save_edit(request: HttpRequest, pk: UUID | None) -> Begun:
    message = own_prompt(request, pk)
    last = message.replies.select_related("checkpoint").order_by("created_at").last()
    form = form_again(request, text=request.POST.get("edited", ""), answer=last)
    if not form.is_valid():
        return refused(request, form.first_error()), None
    with admitted(request, "chat"):
        answer = edit_prompt(message=message, prompt=form.prompt())
    return shown(request, answer), answer.pk


@never_cache
@require_POST
async def again(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Another answer to the same prompt, by the model and with the settings that the page has now."""
    return await begun(request, save_again, pk)


def save_again(request: HttpRequest, pk: UUID | None) -> Begun:
    before = own_answer(request, pk)
    form = form_again(request, text=before.parent.raw_text if before.parent else "", answer=before)
    if not form.is_valid():
        return refused(request, form.first_error()), None
    with admitted(request, "chat"):
        answer = answer_again(answer=before, prompt=form.prompt())
    return shown(request, answer), answer.pk


async def begun(request: HttpRequest, save: Save, pk: UUID) -> HttpResponse:
    """Save what is asked, and begin its answer."""
    try:
        response, answer_id = await save_when_free(save, request, pk)
    except ThreadBusyError as error:
        return refused(request, str(error), link=address_at(error.answer.thread_id, error.answer.pk))
    except InputError as error:
        return refused(request, str(error))
    except OperationalError as error:
        logger.error("A prompt could not be saved: %s", error)
        return refused(request, unsaved(error), status=507)
    if answer_id:
        start_writing(answer_id)
    return response


def refused(request: HttpRequest, error: str, *, status: int = 422, link: str = "") -> HttpResponse:
    """Why not, beside the box; the turns stay as they are."""
    response = refusal(request, error, status=status, link=link)
    response["HX-Reswap"] = "none"
    return response


def shown(request: HttpRequest, answer: Message) -> HttpResponse:
    """The thread's path to the new answer."""
    address = reverse("thread", args=[answer.thread_id])
    if not request.htmx:
        return redirect(f"{address}#turn-{answer.pk}")
    stretch = stretch_of(answer.thread, lighting=Lighting.remembered(request), at=answer.pk)
    context = {"stretch": stretch, "thread": answer.thread}
    headers = {"HX-Replace-Url": address}
    return HttpResponse(render(request, "playground/branching/_path.html", context).content, headers=headers)


@never_cache
@require_POST
async def fork(request: HttpRequest, pk: UUID) -> HttpResponse:
    """A new thread that begins as this one does, up to this message; after calls it goes on from them."""
    message = await sync_to_async(own_message)(request, pk)
    try:
        thread = await sync_to_async(fork_thread)(message=message)
    except InputError as error:
        return refused(request, str(error))
    if message.parameters.get("tools"):
        start_running(thread.leaf_id)
    return go_to(request, reverse("thread", args=[thread.pk]))
