"""Finding chats by the words in them, whoever said them and on whatever branch."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db import connection
from django.db.models import Exists, OuterRef, Q

from playground.models import Message, Thread, ThreadQuerySet

WORDS_MAX = 8
WORD_CHARACTERS_MAX = 100
LEAD_CHARACTERS = 60
EXCERPT_CHARACTERS = 220

Part = tuple[bool, str]


@dataclass(frozen=True)
class Found:
    """A thread, and where it says what was looked for: the message, and its words around the first match."""

    thread: Thread
    message_id: UUID | None = None
    excerpt: tuple[Part, ...] = ()


def words_of(query: str) -> list[str]:
    words = query.replace("\0", " ").split()[:WORDS_MAX]
    return [word[:WORD_CHARACTERS_MAX] for word in words]


def threads_with(threads: ThreadQuerySet, words: Sequence[str]) -> ThreadQuerySet:
    """The threads whose titles and messages have all of the words somewhere."""
    for word in words:
        said = Message.objects.filter(says(word, "raw_text"), thread=OuterRef("pk"))
        threads = threads.filter(says(word, "title") | Exists(said))
    return threads


def says(word: str, field: str) -> Q:
    """Whether a field has a word, in small or capital letters. SQLite knows these for ASCII only."""
    if word.isascii() or connection.vendor != "sqlite":
        return Q(**{f"{field}__icontains": word})
    return Q(**{f"{field}__iregex": re.escape(word)})


def found_in(threads: Sequence[Thread], words: Sequence[str]) -> list[Found]:
    """Each thread, with the newest message that has one of the words."""
    return [where_found(thread, words) for thread in threads]


def where_found(thread: Thread, words: Sequence[str]) -> Found:
    if not words:
        return Found(thread)
    any_word = Q()
    for word in words:
        any_word |= says(word, "raw_text")
    messages = Message.objects.filter(any_word, thread=thread).order_by("created_at")
    row = messages.values_list("pk", "raw_text").last()
    return Found(thread, row[0], excerpt(row[1], words)) if row else Found(thread)


def excerpt(text: str, words: Sequence[str]) -> tuple[Part, ...]:
    """The words' first place in a text, with what stands around it, as (is a match, text)."""
    pattern = re.compile("|".join(map(re.escape, sorted(words, key=len, reverse=True))), re.IGNORECASE)
    first = pattern.search(text)
    start = max(0, first.start() - LEAD_CHARACTERS) if first else 0
    shown = text[start : start + EXCERPT_CHARACTERS]
    pieces = re.split(f"({pattern.pattern})", shown, flags=re.IGNORECASE)
    parts = [(number % 2 == 1, piece) for number, piece in enumerate(pieces) if piece]
    return (
        *([(False, "… ")] if start else []),
        *parts,
        *([(False, " …")] if start + EXCERPT_CHARACTERS < len(text) else []),
    )
