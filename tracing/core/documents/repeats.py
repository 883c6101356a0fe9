"""Documents that say the same again: of one source, or with the same text around the match."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Document = Mapping[str, Any]
"""A document of a trace, as POST /v1/traces answers it."""


@dataclass(frozen=True)
class Group:
    """A document and those that repeat it, by their numbers in the trace, in the order they were given."""

    first: int
    repeats: tuple[int, ...] = ()

    @property
    def count(self) -> int:
        """How many documents there are in all."""
        return 1 + len(self.repeats)


def group_repeats(documents: Sequence[Document], numbers: Iterable[int] | None = None) -> list[Group]:
    """The documents with these numbers (say, a span's), or all, grouped; each is in one group.

    Two are of one source where they have the same URL or, without one, the same source in the same corpus;
    their text is the same where their snippets are, white space aside. A group is named for its first.
    """
    parents: dict[int, int] = {}  # of each document one before it in its group, of the first itself
    first_with: dict[tuple[Any, ...], int] = {}
    asked = list(dict.fromkeys(range(len(documents)) if numbers is None else numbers))
    places = {number: place for place, number in enumerate(asked)}
    for number in asked:
        parents[number] = number
        for key in _keys(documents[number]):
            one, other = _first(parents, number), _first(parents, first_with.setdefault(key, number))
            earlier, later = sorted((one, other), key=places.__getitem__)
            parents[later] = earlier
    members: dict[int, list[int]] = {}
    for number in asked:
        members.setdefault(_first(parents, number), []).append(number)
    return [Group(first, tuple(found[1:])) for first, found in members.items()]


def _first(parents: dict[int, int], number: int) -> int:
    """The first document of a group, the way to it made shorter for the next time."""
    while parents[number] != number:
        parents[number] = parents[parents[number]]
        number = parents[number]
    return number


def with_repeats(documents: Sequence[Document]) -> list[dict[str, Any]]:
    """The documents, each with `repeats`: the numbers of those that repeat it, empty for these."""
    repeats = {group.first: list(group.repeats) for group in group_repeats(documents)}
    return [{**document, "repeats": repeats.get(number, [])} for number, document in enumerate(documents)]


def _keys(document: Document) -> list[tuple[Any, ...]]:
    """What another document must share with this one to be its repeat; any of them will do."""
    text = " ".join(str(document.get("snippet") or "").strip("…").split())
    keys: list[tuple[Any, ...]] = [("text", text)] if text else []
    if url := document.get("url"):
        return [*keys, ("url", url)]
    source = document.get("source")
    return [*keys, ("source", document.get("corpus"), source)] if source else keys
