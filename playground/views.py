"""Pages of the playground: each view parses, calls one service, renders."""

import logging
from dataclasses import replace
from functools import partial
from typing import Any
from uuid import UUID, uuid4

from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import IntegrityError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.template.loader import render_to_string
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from accounts.limits.services import admitted, release
from accounts.owners import Owner
from accounts.visitors.newcomers import greet
from playground.branching.sending import Sending, uuid_or_none
from playground.branching.turns import Stretch, address_at, new_turns, stretch_of
from playground.branching.waiting import save_when_free
from playground.chat import threads
from playground.chat.answer_stream import AnswerStream
from playground.chat.engine_notice import engine_notice
from playground.chat.event_stream import event_stream
from playground.chat.forms import MessageForm
from playground.chat.generation import start_writing
from playground.chat.models_offered import model_menu
from playground.chat.page_stream import page_events
from playground.chat.presentation import AnswerView
from playground.chat.welcome import examples
from playground.composer.views import page_context
from playground.database import in_database
from playground.gateway.once import once
from playground.models import Message, MessageState
from playground.traces.lighting import Lighting
from playground.traces.requests import own_answer, own_threads, own_traced
from tracing.core.errors import InputError

logger = logging.getLogger(__name__)
HISTORY = 50
CONTINUABLE = (MessageState.STOPPED, MessageState.INTERRUPTED, MessageState.FAILED, MessageState.COMPLETE)


@require_GET
def home(request: HttpRequest) -> HttpResponse:
    """A new chat, with prompts that work on the models at hand."""
    menu = model_menu(request.GET.get("model", ""), user=request.user)
    temporary = "temporary" in request.GET
    page = chat_page(
        request, menu=menu, examples=examples(request.user), question_id=uuid4(), temporary=temporary
    )
    return greet(request, page)


@require_GET
def thread_page(request: HttpRequest, pk: UUID) -> HttpResponse:
    """A thread, on the path that it shows; with `at` on the newest one through that message."""
    thread = get_object_or_404(own_threads(request).select_related("seat"), pk=pk)
    if hasattr(thread, "seat"):
        return redirect("lineup", pk=thread.seat.lineup_id)
    at, until = uuid_or_none(request.GET.get("at")), uuid_or_none(request.GET.get("until"))
    stretch = stretch_of(thread, lighting=Lighting.remembered(request), at=at, until=until)
    menu = model_menu(stretch.last_model, user=request.user)
    return chat_page(request, menu=menu, thread=thread, stretch=stretch)


def chat_page(request: HttpRequest, **context: Any) -> HttpResponse:
    stretch: Stretch | None = context.get("stretch")
    context |= {
        "section": "chat",
        "history": own_threads(request).listed()[:HISTORY],
        "notice": engine_notice(),
        "temporary_hours": settings.TEMPORARY_CHAT_HOURS,
        **page_context(
            request,
            model=context["menu"].chosen,
            thread=context.get("thread"),
            leaf=stretch.leaf if stretch else None,
        ),
    }
    return render(request, "playground/chat.html", context)


@require_POST
async def send(request: HttpRequest, pk: UUID | None = None) -> HttpResponse:
    """Save a prompt, begin its answer, and show both."""
    try:
        response, answer_id = await save_when_free(save_prompt, request, pk)
    except threads.ThreadBusyError as error:
        return refusal(request, str(error), link=address_at(error.answer.thread_id, error.answer.pk))
    except OperationalError as error:
        logger.error("A prompt could not be saved: %s", error)
        return refusal(request, unsaved(error), status=507)
    if answer_id:
        start_writing(answer_id)
    return response


def save_prompt(request: HttpRequest, pk: UUID | None) -> tuple[HttpResponse, UUID | None]:
    if pk:
        get_object_or_404(own_threads(request), pk=pk)
    form = MessageForm(request.POST, user=request.user)
    if not form.is_valid():
        return refusal(request, form.first_error()), None
    try:
        answer, is_new = saved_once(request, pk, form.prompt())
    except InputError as error:
        return refusal(request, str(error)), None
    if pk:
        return turn_response(request, answer), answer.pk if is_new else None
    return go_to(request, reverse("thread", args=[answer.thread_id])), answer.pk if is_new else None


def saved_once(request: HttpRequest, pk: UUID | None, prompt: threads.Prompt) -> tuple[Message, bool]:
    """The empty answer to a prompt; the one that there is, where the page sends the same prompt again."""
    sending = Sending.of(request)
    if before := sending.answer_before(own_threads(request), prompt):
        return before, False
    try:
        with admitted(request, "chat"):
            return save_turn(request, pk, prompt, sending), True
    except (IntegrityError, threads.ThreadBusyError) as error:
        if before := sending.answer_before(own_threads(request), prompt):
            return before, False  # it was sent twice at once, and the other was first
        if isinstance(error, threads.ThreadBusyError):
            raise
        # Another prompt has the id: the page was kept, and sends a second time.
        with admitted(request, "chat"):
            return save_turn(request, pk, prompt, replace(sending, question_id=uuid4())), True


def save_turn(request: HttpRequest, pk: UUID | None, prompt: threads.Prompt, sending: Sending) -> Message:
    if pk:
        thread = get_object_or_404(own_threads(request), pk=pk)
        after = get_object_or_404(thread.messages, pk=sending.after) if sending.after else None
        return threads.add_turn(thread=thread, prompt=prompt, after=after, question_id=sending.question_id)
    owner = Owner.of(request)
    temporary = "temporary" in request.POST
    _, answer = threads.create_thread(
        owner=owner.user,
        session_key=owner.session_key,
        prompt=prompt,
        temporary=temporary,
        question_id=sending.question_id,
    )
    return answer


def refusal(request: HttpRequest, error: str, status: int = 422, link: str = "") -> HttpResponse:
    """Why a prompt was not taken, beside the box that still holds it, and where to look."""
    return render(request, "playground/_refusal.html", {"error": error, "link": link}, status=status)


def unsaved(error: OperationalError) -> str:
    why = "The disk is full" if "full" in str(error) else "The database does not answer"
    return f"{why}, so your message could not be saved. It is still in the box: send it again later."


def go_to(request: HttpRequest, address: str) -> HttpResponse:
    if request.htmx:
        return HttpResponse(headers={"HX-Redirect": address})
    return redirect(address)


def turn_response(request: HttpRequest, answer: Message) -> HttpResponse:
    """The new turns, to stand behind the page's own; the page anew where it does not show the end."""
    if not request.htmx or "apart" in request.POST:
        return go_to(request, reverse("thread", args=[answer.thread_id]))
    context = {"stretch": new_turns(answer), "thread": answer.thread}
    return render(request, "playground/branching/_new_turns.html", context)


@require_GET
async def stream(request: HttpRequest, pk: UUID) -> HttpResponseBase:
    """Server-sent events of an answer: any number of pages may join, leave and join again where they were."""
    answer = await sync_to_async(own_traced)(request, pk)
    lighting = await sync_to_async(Lighting.remembered)(request)
    after = request.headers.get("Last-Event-ID") or request.GET.get("after", "")
    return event_stream(page_events(answer, partial(finished_article, lighting=lighting), after))


async def finished_article(pk: UUID, lighting: Lighting) -> str:
    """All pages that show an answer have its end at the same moment: it is rendered once for those."""
    return await once(("article", pk, lighting), lambda: in_database(article_of, pk, lighting))


def article_of(pk: UUID, lighting: Lighting) -> str:
    message = Message.objects.select_related("checkpoint", "thread", "rating").get(pk=pk)
    context = {"turn": AnswerView.of(message, lighting), "out_of_band": True}
    return render_to_string("playground/_article.html", context)


@require_POST
async def stop(request: HttpRequest, pk: UUID) -> HttpResponse:
    answer = await sync_to_async(own_answer)(request, pk)
    if answer.state == MessageState.WRITING:
        await AnswerStream(answer.pk).ask_to_stop()
    return HttpResponse(status=204) if request.htmx else redirect("thread", pk=answer.thread_id)


@require_POST
async def go_on(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Go on with an answer that was stopped, interrupted or cut short, from where its text ends."""
    answer = await sync_to_async(own_answer)(request, pk)
    if await sync_to_async(reopened)(request, answer):
        start_writing(answer.pk)
    if not request.htmx:
        return redirect("thread", pk=answer.thread_id)
    return await sync_to_async(article_again)(request, answer)


def article_again(request: HttpRequest, answer: Message) -> HttpResponse:
    answer.refresh_from_db()
    return render(request, "playground/_article.html", {"turn": AnswerView.of(answer)})


def reopened(request: HttpRequest, answer: Message) -> bool:
    with admitted(request, "chat") as admission:
        is_reopened = threads.reopen(answer, CONTINUABLE)
    if not is_reopened:
        release(admission.spender, "chat")
    return is_reopened
