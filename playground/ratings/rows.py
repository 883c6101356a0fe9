"""Rated chats as rows of a data set: conversations whose good answers are learned, or preferences."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Q

from playground.chat.branches import path_to
from playground.chat.history import system_turn, visible_text
from playground.models import Message, MessageState, Role, Thread
from playground.ratings.models import Consent, Opinion, Rating
from playground.tools.offering import template_tools
from playground.tools.turns import turns_of as spoken
from training.core.datasets.formats import read_row
from training.core.datasets.problems import RowError
from training.core.verifiers.verifiers import Verifiers
from training.models import DatasetFormat

Json = dict[str, Any]
FORMATS = {
    DatasetFormat.CHAT.value: "conversations: the answers that were rated good are learned",
    DatasetFormat.PREFERENCE.value: "preferences: a good answer over another to the same question",
}


@dataclass(frozen=True)
class RatedChat:
    """A row, and which consented chat it is."""

    row: Json
    thread: Thread
    rated_at: datetime
    consented_at: datetime


def rated_chats(format: str) -> Iterator[RatedChat]:
    """Every row that can be made now, oldest consent first: of chats that are kept and consented to."""
    consents = Consent.objects.filter(withdrawn_at=None, thread__deleted_at=None, thread__temporary=False)
    made = conversations if format == DatasetFormat.CHAT else preferences
    with Verifiers() as verifiers:
        for consent in consents.select_related("thread").order_by("given_at", "id").iterator():
            for rating, row in made(consent.thread):
                told = row | {"origin": origin_of(rating)}
                if is_usable(told, verifiers):
                    yield RatedChat(told, consent.thread, rating.updated_at, consent.given_at)


def origin_of(rating: Rating) -> str:
    return (
        f"A chat that was rated here on {rating.updated_at:%-d %B %Y} and given by its owner, with consent, "
        "to learn from."
    )


def is_usable(row: Json, verifiers: Verifiers) -> bool:
    """Whether a data set would take it: not what spells out special tokens, or says nothing."""
    try:
        read_row(row, verifiers)
    except RowError:
        return False
    return True


def good_ratings(thread: Thread) -> list[Rating]:
    """Of answers that a model wrote here, whole."""
    found = Rating.objects.filter(message__thread=thread, opinion=Opinion.UP, message__imported=False)
    ended = found.filter(message__state=MessageState.COMPLETE, message__role=Role.ASSISTANT)
    return list(ended.select_related("message").order_by("message__position", "message__created_at"))


def conversations(thread: Thread) -> Iterator[tuple[Rating, Json]]:
    """One row a path that ends with a good answer: what stands before it is context unless it is good too.

    A path on which an answer was flagged is left out.
    """
    ratings = {rating.message_id: rating for rating in good_ratings(thread)}
    flagged = set(opinions(thread, Opinion.FLAG))
    paths = {pk: path_to(rating.message) for pk, rating in ratings.items()}
    inner = {message.pk for pk, path in paths.items() for message in path if message.pk != pk}
    for pk, path in paths.items():
        if pk not in inner and not flagged & {message.pk for message in path}:
            asked = asked_of(path, learned=set(ratings))
            yield ratings[pk], asked | {"messages": [*asked["messages"], answer_of(path[-1])]}


def asked_of(path: Sequence[Message], learned: set[Any]) -> Json:
    """What the answer at the end of a path was given: the conversation before it, and functions if any."""
    answer = path[-1]
    turns = [*map(dict, system_turn(answer)), *turns_of(path[:-1], learned)]
    return {"messages": turns, **template_tools(answer)}


def turns_of(path: Sequence[Message], learned: set[Any]) -> list[Json]:
    """The path as a row's messages, calls and their results with it; the thinking is kept in the answers that
    are learned."""
    turns: list[Json] = []
    for message in path:
        is_learned = message.pk in learned
        weight = {"weight": 0} if message.role == Role.ASSISTANT and not is_learned else {}
        said = spoken(message, message.raw_text if is_learned else visible_text(message))
        turns += [turn | (weight if turn["role"] == Role.ASSISTANT else {}) for turn in said]
    return turns


def answer_of(message: Message) -> Json:
    """An answer to be learned, or told from another: its calls with it, and not what came of them."""
    return spoken(message, message.raw_text)[0]


def preferences(thread: Thread) -> Iterator[tuple[Rating, Json]]:
    """A good answer over each that was rated otherwise and stands beside it."""
    for rating in good_ratings(thread):
        chosen = rating.message
        if chosen.parent_id is None:
            continue
        asked = asked_of(path_to(chosen), learned=set())
        for rejected in worse_beside(chosen):
            row = {
                "input": asked,
                "preferred_output": [answer_of(chosen)],
                "non_preferred_output": [answer_of(rejected)],
            }
            yield rating, row


def worse_beside(chosen: Message) -> list[Message]:
    beside = Message.objects.filter(parent=chosen.parent_id, role=Role.ASSISTANT).exclude(pk=chosen.pk)
    worse = Q(rating__opinion=Opinion.DOWN) | Q(rating__opinion=Opinion.FLAG)
    ended = beside.filter(worse, state=MessageState.COMPLETE, imported=False)
    return list(ended.order_by("created_at"))


def opinions(thread: Thread, opinion: Opinion) -> list[Any]:
    rated = Rating.objects.filter(message__thread=thread, opinion=opinion)
    return list(rated.values_list("message", flat=True))
