"""What the views of traces share: whose a thing is, lighting it otherwise, links and refusals."""

from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse

from playground.models import Lineup, Message, Role, SharedLineup, SharedThread, Thread, ThreadQuerySet
from playground.traces.lighting import Lighting
from playground.traces.subjects import Subject
from tracing.core.errors import InputError, TracingError
from tracing.models import KeptTrace, Share


def own_threads(request: HttpRequest) -> ThreadQuerySet:
    """The browser's own threads that it has not deleted."""
    threads: ThreadQuerySet = Thread.objects.of_browser(request)
    return threads.kept()


def own_answer(request: HttpRequest, pk: UUID) -> Message:
    """The browser's own answer; someone else's, or nobody's, is a 404."""
    answers = Message.objects.filter(thread__in=own_threads(request), role=Role.ASSISTANT)
    return get_object_or_404(answers.select_related("thread", "checkpoint", "rating"), pk=pk)


def own_traced(request: HttpRequest, pk: UUID) -> Message:
    """The browser's own answer, to be shown with its trace; a 404 while a blind vote hides its model."""
    answer = own_answer(request, pk)
    if Lineup.objects.veiled().filter(seats__thread=answer.thread_id).exists():
        raise Http404("This answer stands in a blind comparison: vote there, then its trace is shown.")
    return answer


def own_trace(request: HttpRequest, pk: UUID) -> KeptTrace:
    """The browser's own kept trace; someone else's, or nobody's, is a 404."""
    kept: KeptTrace = get_object_or_404(KeptTrace.objects.of_browser(request), pk=pk)
    return kept


def relit(subject: Subject, lighting: Lighting) -> tuple[Subject, str]:
    """The subject as it is asked for; or as it was kept, and why it cannot be otherwise."""
    try:
        return subject.relit(lighting), ""
    except TracingError as error:
        return subject, str(error)


def refused(request: HttpRequest, error: Exception) -> HttpResponse:
    """A page that says why something cannot be traced; 422 where the request is to blame."""
    status = 422 if isinstance(error, InputError) else 503
    return render(request, "playground/traces/refused.html", {"error": error}, status=status)


def linked(request: HttpRequest, share: Share) -> Share:
    """The share, with the whole address of its link, and that which revokes it."""
    share.revoke_address = reverse("revoke-share", args=[share.pk])
    share.link = request.build_absolute_uri(reverse("shared-trace", args=[share.token]))
    return share


def linked_lineup(request: HttpRequest, shared: SharedLineup) -> SharedLineup:
    """The shared comparison, with the whole address of its link, and that which revokes it."""
    shared.revoke_address = reverse("revoke-lineup", args=[shared.pk])
    shared.link = request.build_absolute_uri(reverse("shared-lineup", args=[shared.token]))
    return shared


def linked_chat(request: HttpRequest, shared: SharedThread) -> SharedThread:
    """The shared chat, with the whole address of its link, and that which revokes it."""
    shared.revoke_address = reverse("revoke-chat", args=[shared.pk])
    shared.link = request.build_absolute_uri(reverse("shared-chat", args=[shared.token]))
    return shared
