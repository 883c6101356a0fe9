"""Lineups: what a person sends is saved for every model before anything else happens."""

import secrets
from dataclasses import dataclass, replace
from uuid import UUID

from django.db import transaction
from django.http import HttpRequest
from django.shortcuts import get_object_or_404

from accounts.models import User
from playground.beside.models import LineupQuerySet
from playground.chat.branches import path_of
from playground.chat.threads import Prompt, add_turn, create_thread
from playground.models import Lineup, Message, MessageState, Role, Seat, Thread
from playground.traces.requests import own_threads
from training.models import Checkpoint


@dataclass(frozen=True)
class LineupPrompt:
    """What a person sent, and the other checkpoints that shall answer it too."""

    prompt: Prompt
    others: tuple[Checkpoint, ...]
    blind: bool = False

    @property
    def sides(self) -> list[Prompt]:
        return [self.prompt, *(replace(self.prompt, checkpoint=other) for other in self.others)]


def create_lineup(
    *, owner: User | None, session_key: str, asked: LineupPrompt, question_id: UUID | None = None
) -> tuple[Lineup, list[Message]]:
    """New conversations with the prompt, and their empty answers; of a blind one in an order that chance
    chose. `question_id` becomes the first prompt's own, so that one that is sent twice can be told."""
    sides = asked.sides
    if asked.blind:
        secrets.SystemRandom().shuffle(sides)
    with transaction.atomic():
        lineup, answers = Lineup.objects.create(blind=asked.blind), list[Message]()
        for place, side in enumerate(sides):
            thread, answer = create_thread(
                owner=owner,
                session_key=session_key,
                prompt=side,
                question_id=question_id if place == 0 else None,
            )
            Seat.objects.create(lineup=lineup, place=place, thread=thread)
            answers.append(answer)
    return lineup, answers


def add_round(*, lineup: Lineup, asked: LineupPrompt) -> list[Message]:
    """The next prompt to each. Raises ThreadBusyError, with nothing saved, while one still answers."""
    with transaction.atomic():
        sides = zip(threads_of(lineup), asked.sides, strict=True)
        return [add_turn(thread=thread, prompt=side) for thread, side in sides]


def threads_of(lineup: Lineup) -> list[Thread]:
    """Its conversations by their places."""
    return [seat.thread for seat in lineup.seats.select_related("thread")]


def models_of(lineup: Lineup) -> list[Checkpoint | None]:
    """Who answered last, by their places; None for one that has been deleted."""
    return [last.checkpoint if (last := last_answer(thread)) else None for thread in threads_of(lineup)]


def last_answer(thread: Thread) -> Message | None:
    return next((turn for turn in reversed(path_of(thread)) if turn.role == Role.ASSISTANT), None)


def writing_in(lineup: Lineup) -> list[Message]:
    """The answers that are still being written."""
    return list(Message.objects.filter(thread__in=threads_of(lineup), state=MessageState.WRITING))


def own_lineups(request: HttpRequest) -> LineupQuerySet:
    """The browser's own that it has not deleted, the newest first."""
    return listed(Lineup.objects.within(own_threads(request)))


def own_deleted_lineups(request: HttpRequest) -> LineupQuerySet:
    """The browser's own that can still be had back."""
    mine = Thread.objects.of_browser(request)
    return listed(Lineup.objects.within(mine.exclude(deleted_at=None)))


def listed(lineups: LineupQuerySet) -> LineupQuerySet:
    return lineups.select_related("vote").prefetch_related("seats__thread")


def own_lineup(request: HttpRequest, pk: UUID) -> Lineup:
    """Someone else's, or none, is a 404."""
    lineup: Lineup = get_object_or_404(own_lineups(request), pk=pk)
    return lineup
