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
    group_of: dict[tuple[Any, ...], int] = {}
    members: dict[int, list[int]] = {}
    for number in range(len(documents)) if numbers is None else numbers:
        keys = _keys(documents[number])
        known = sorted({group_of[key] for key in keys if key in group_of})
        first = known[0] if known else number
        members.setdefault(first, []).append(number)
        for other in known[1:]:  # the document belongs to several: they are one group after all
            members[first] += members.pop(other)
            group_of = {key: first if group == other else group for key, group in group_of.items()}
        group_of |= dict.fromkeys(keys, first)
    return [Group(first, tuple(sorted(set(found) - {first}))) for first, found in members.items()]


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
