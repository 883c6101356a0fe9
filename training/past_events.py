"""A job's events from the newest back, read from the end of its file: a page costs the same however long the
job has run."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from training.events import Event, parse

BLOCK_BYTES = 1 << 16
LOOKED_AT_BYTES = 32 << 20
"""Of progress and the like between two events that are shown."""


@dataclass(frozen=True)
class Place:
    """An event and the byte of the file that its line begins at, which never changes."""

    offset: int
    event: Event


def events_before(path: Path, before: int | None, kinds: frozenset[str]) -> Iterator[Place]:
    """The events of these kinds whose lines end at or before the byte `before` (None: the file's end), the
    newest first. None where there is no file yet."""
    if not path.is_file():
        return
    with path.open("rb") as file:
        end = min(file.seek(0, 2), before if before is not None else 1 << 62)
        stop = max(0, end - LOOKED_AT_BYTES)
        rest = b""
        while end > stop:
            start = max(stop, end - BLOCK_BYTES)
            file.seek(start)
            lines = (file.read(end - start) + rest).split(b"\n")
            rest, end = lines[0], start
            place = start + len(rest) + 1
            places = []
            for line in lines[1:]:
                places.append((place, line))
                place += len(line) + 1
            yield from shown(reversed(places), kinds)
        if not stop:
            yield from shown([(0, rest)], kinds)


def shown(lines: Iterable[tuple[int, bytes]], kinds: frozenset[str]) -> Iterator[Place]:
    for offset, line in lines:
        event = parse(line) if line else None
        if event is not None and event["type"] in kinds:
            yield Place(offset, event)
