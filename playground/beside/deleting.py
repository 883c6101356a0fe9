"""Comparisons that are deleted, and had back: all of their conversations together."""

from uuid import UUID

from asgiref.sync import sync_to_async
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from playground.beside.lineups import own_deleted_lineups, own_lineup, threads_of
from playground.chat.answer_stream import AnswerStream
from playground.history.services import delete_thread, purge_thread, restore_thread
from playground.models import Message, Thread


@never_cache
@require_POST
async def delete(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Delete a comparison, until it is had back, and stop what is being written in it."""
    for answer in await sync_to_async(deleted)(request, pk):
        await AnswerStream(answer.pk).ask_to_stop()
    return redirect(f"{reverse('beside')}?deleted={pk}")


def deleted(request: HttpRequest, pk: UUID) -> list[Message]:
    return delete_thread(thread=threads_of(own_lineup(request, pk))[0])


@never_cache
@require_POST
def restore(request: HttpRequest, pk: UUID) -> HttpResponse:
    restore_thread(thread=own_deleted(request, pk))
    return redirect("lineup", pk=pk)


@never_cache
@require_POST
def purge(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Delete for good what was deleted before. A blind vote stays in everybody's score: it names models, and
    nothing that was said."""
    purge_thread(thread=own_deleted(request, pk))
    return redirect("deleted-chats")


def own_deleted(request: HttpRequest, pk: UUID) -> Thread:
    """One of its conversations: what is done with it is done with those beside it too."""
    return threads_of(get_object_or_404(own_deleted_lineups(request), pk=pk))[0]
