"""A thread's messages as a tree: each knows the one before it, and one path through them is shown."""

from collections.abc import Sequence
from uuid import UUID

from playground.models import Message, Role, Thread

Links = dict[UUID, UUID | None]
"""Each message's parent, by id, in the order in which they were made."""


def path_to(message: Message) -> list[Message]:
    """What came before a message, oldest first, and the message itself at the end."""
    if message.parent_id is None:
        return [message]
    ids = ids_to(message.pk, links_of(message.thread_id))
    return [*messages_of(ids[:-1]), message]


def path_of(thread: Thread) -> list[Message]:
    """The path that a thread shows: to its leaf, or to its newest message."""
    links = links_of(thread.pk)
    return messages_of(ids_to(leaf_of(thread, links), links))


def leaf_of(thread: Thread, links: Links) -> UUID | None:
    """The end of the path that a thread shows. None where it has no messages."""
    return thread.leaf_id if thread.leaf_id in links else next(reversed(links), None)


def end_of(thread: Thread) -> Message | None:
    """The last message of the path that a thread shows."""
    shown = Message.objects.filter(thread=thread, pk=thread.leaf_id).first() if thread.leaf_id else None
    return shown or Message.objects.filter(thread=thread).order_by("created_at", "position").last()


def newest_below(message_id: UUID, links: Links) -> UUID:
    """The end of the newest path that leads through a message."""
    below, newest = {message_id}, message_id
    for pk, parent in links.items():  # a message is made after its parent, so one pass finds all below
        if parent in below:
            below.add(pk)
            newest = pk
    return newest


def siblings_of(ids: Sequence[UUID], links: Links) -> dict[UUID, list[UUID]]:
    """For each message of a path all that stand in its place, itself too, in the order they were made."""
    places: dict[UUID | None, list[UUID]] = {links[pk]: [] for pk in ids}
    for pk, parent in links.items():
        if parent in places:
            places[parent].append(pk)
    return {pk: places[links[pk]] for pk in ids}


def prompt_before(message: Message) -> str:
    """The text of the prompt that an answer answers."""
    before = message.parent
    return before.raw_text if before is not None and before.role == Role.USER else ""


def links_of(thread_id: UUID) -> Links:
    messages = Message.objects.filter(thread=thread_id).order_by("created_at", "position")
    return dict(messages.values_list("pk", "parent_id"))


def ids_to(message_id: UUID | None, links: Links) -> list[UUID]:
    """The ids of a path, oldest first."""
    ids = []
    while message_id is not None:
        ids.append(message_id)
        message_id = links[message_id]
    return ids[::-1]


def messages_of(ids: Sequence[UUID]) -> list[Message]:
    """The messages with these ids, in their order."""
    found = Message.objects.select_related("checkpoint", "thread", "rating").in_bulk(ids)
    return [found[pk] for pk in ids]
