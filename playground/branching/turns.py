"""What a page shows of a thread: a stretch of one path, and where each message has others beside it."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Self
from urllib.parse import urlencode
from uuid import UUID, uuid4

from django.urls import reverse

from playground.attachments.services import load_names
from playground.chat.branches import (
    Links,
    ids_to,
    leaf_of,
    links_of,
    messages_of,
    newest_below,
    siblings_of,
)
from playground.chat.presentation import AnswerView
from playground.models import Message, MessageState, Thread
from playground.traces.lighting import Lighting

STRETCH = 60
"""Messages that a page shows at once; the others come when they are asked for."""
LEAD = 10
"""Messages shown before the one that is asked for."""


@dataclass(frozen=True)
class Place:
    """Where a message stands among those that are in its place, the first counted as 1."""

    number: int
    among: int
    before: UUID | None
    after: UUID | None

    @classmethod
    def of(cls, message: Message, siblings: Sequence[UUID]) -> Self:
        number = siblings.index(message.pk)
        beside = [*siblings, None]
        return cls(number + 1, len(siblings), beside[number - 1], beside[number + 1])


@dataclass(frozen=True)
class Turn(AnswerView):
    """A message as the page of its thread shows it."""

    place: Place | None = None

    @property
    def can_branch(self) -> bool:
        return self.message.state != MessageState.WRITING


@dataclass(frozen=True)
class Stretch:
    """Turns of a path, the address of those before and after them, and where the next message goes.

    `question_id` is the id that the next prompt will have, so that sending it twice saves it once.
    """

    thread: Thread
    turns: list[Turn]
    leaf: UUID | None
    earlier: str = ""
    later: str = ""
    question_id: UUID = field(default_factory=uuid4)

    @property
    def last_model(self) -> str:
        checkpoints = (turn.message.checkpoint for turn in reversed(self.turns))
        return next((checkpoint.name for checkpoint in checkpoints if checkpoint), "")


def address_at(thread_id: UUID, message_id: UUID) -> str:
    """The page of a thread on the newest path through a message, at that message."""
    return f"{reverse('thread', args=[thread_id])}?{urlencode({'at': message_id})}#turn-{message_id}"


def stretch_of(
    thread: Thread, *, lighting: Lighting, at: UUID | None = None, until: UUID | None = None
) -> Stretch:
    """The end of a thread's shown path; with `at`, of the newest path through that message, where it stands.

    `until`, a message of the path, asks for those before it. Ids that the thread does not have count as none.
    """
    links = links_of(thread.pk)
    through = next((pk for pk in (at, until) if pk in links), None)
    leaf = newest_below(through, links) if through else leaf_of(thread, links)
    ids = ids_to(leaf, links)
    start, end = bounds(ids, at, until)
    return Stretch(
        thread,
        turns_of(ids[start:end], links, lighting),
        leaf,
        earlier=beyond(thread, "until", ids[start]) if start else "",
        later=address_at(thread.pk, ids[end]) if end < len(ids) else "",
    )


def bounds(ids: Sequence[UUID], at: UUID | None, until: UUID | None) -> tuple[int, int]:
    """Which messages of a path to show."""
    if until in ids:
        end = ids.index(until)
        return max(0, end - STRETCH), end
    start = max(0, len(ids) - STRETCH)
    if at in ids and ids.index(at) < start:
        start = max(0, ids.index(at) - LEAD)
    return start, min(len(ids), start + STRETCH)


def beyond(thread: Thread, word: str, message_id: UUID) -> str:
    return f"{reverse('thread', args=[thread.pk])}?{urlencode({word: message_id})}"


def turns_of(ids: Sequence[UUID], links: Links, lighting: Lighting) -> list[Turn]:
    siblings, messages = siblings_of(ids, links), messages_of(ids)
    load_names(messages)
    return [
        replace(Turn.of(message, lighting), place=Place.of(message, siblings[message.pk]))
        for message in messages
    ]


def new_turns(answer: Message) -> Stretch:
    """A prompt that was just sent and the answer that it begins."""
    messages = [message for message in (answer.parent, answer) if message]
    turns = turns_of([message.pk for message in messages], links_of(answer.thread_id), Lighting())
    return Stretch(answer.thread, turns, answer.pk)
