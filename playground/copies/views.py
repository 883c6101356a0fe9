"""Raw text and code: each a fragment for the chat's page, or a page of its own."""

from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from playground.chat.forms import MessageForm
from playground.chat.presentation import AnswerView
from playground.copies.calls import call_of_answer, call_of_draft
from playground.core.rendering.code import block
from playground.core.request_code import KEY, ChatCall
from playground.core.think_split import split_thinking
from playground.models import Thread
from playground.traces.lighting import Lighting
from playground.traces.painting import plain_html
from playground.traces.requests import own_threads, own_traced
from tracing.core.errors import TracingError

PLACEHOLDER = "Your message"


@never_cache
@require_GET
def raw(request: HttpRequest, pk: UUID) -> HttpResponse:
    """All that the model wrote, letter by letter, tags and thinking too; `formatted` gives the other view.

    `copy` gives the answer alone, without its thinking, as plain text.
    """
    answer = own_traced(request, pk)
    if "copy" in request.GET:
        text = split_thinking(answer.raw_text).answer_text
        return HttpResponse(text, content_type="text/plain; charset=utf-8")
    turn = AnswerView.of(answer, Lighting.remembered(request))
    subject = turn.subject
    html = plain_html(subject.text, subject.lit(), subject.spans_address).answer
    formatted = "formatted" in request.GET
    context = {"turn": turn, "message": answer, "raw": html, "formatted": formatted, "section": "chat"}
    page = "_raw" if request.htmx else "raw"
    return render(request, f"playground/copies/{page}.html", context)


@never_cache
@require_GET
def answer_code(request: HttpRequest, pk: UUID) -> HttpResponse:
    """The request that an answer came from."""
    answer = own_traced(request, pk)
    try:
        call = call_of_answer(request, answer)
    except TracingError as error:
        return problem(request, f"The files of {answer.checkpoint} cannot be read: {error}", status=503)
    return code_response(request, call, thread=answer.thread)


@never_cache
@require_POST
def draft_code(request: HttpRequest) -> HttpResponse:
    """The request that the composer would make now; an empty message gets a place to write it."""
    sent = request.POST.copy()
    sent["text"] = sent.get("text", "").strip() or PLACEHOLDER
    thread = own_thread(request, sent.get("thread", ""))
    form = MessageForm(sent, user=request.user)
    if not form.is_valid():
        return problem(request, form.first_error(), status=422)
    return code_response(request, call_of_draft(request, form, thread), thread=thread)


def problem(request: HttpRequest, why: str, *, status: int) -> HttpResponse:
    return render(request, "playground/copies/_code.html", {"problem": why}, status=status)


def own_thread(request: HttpRequest, pk: str) -> Thread | None:
    """The browser's own thread; someone else's is a 404, and so is what is no id. None for no thread."""
    if not pk:
        return None
    try:
        key = UUID(pk)
    except ValueError:
        key = UUID(int=0)
    return get_object_or_404(own_threads(request), pk=key)


def code_response(request: HttpRequest, call: ChatCall, **context: Any) -> HttpResponse:
    context |= {
        "curl": block(call.as_curl(), "bash"),
        "python": block(call.as_python(), "python"),
        "key": KEY,
        "section": "chat",
    }
    page = "_code" if request.htmx else "code"
    return render(request, f"playground/copies/{page}.html", context)
