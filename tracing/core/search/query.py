"""What is searched for: one meaning, which every backend translates."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Literal, get_args

Phrase = tuple[str, ...]
"""Normalised words that stand side by side in this order; a single word is a phrase of one."""

Match = Literal["all", "any"]
Sort = Literal["relevance", "date"]
Field = Literal["stage", "store", "licence"]
"""What results can be counted by."""

MATCHES: Final[Sequence[Match]] = get_args(Match)
SORTS: Final[Sequence[Sort]] = get_args(Sort)


@dataclass(frozen=True)
class Filters:
    """Which passages come into question.

    `stores` are digests: always given, so that what is no longer registered is never found. An empty
    `stages` or `licences` allows all. `source` is how the source begins. `since` and `until` are dates
    as numbers, YYYYMMDD, both included, 0 for no limit; a document without a date is in no range.
    """

    stores: tuple[str, ...]
    stages: tuple[str, ...] = ()
    licences: tuple[str, ...] = ()
    source: str = ""
    since: int = 0
    until: int = 0


@dataclass(frozen=True)
class Query:
    """All (or any) of `phrases`, none of `excluded`, within `filters`.

    Without phrases everything that is not excluded matches, and the order is that of dates.
    """

    filters: Filters
    phrases: tuple[Phrase, ...] = ()
    excluded: tuple[Phrase, ...] = ()
    match: Match = "all"
    sort: Sort = field(default="relevance")

    @property
    def by_relevance(self) -> bool:
        return self.sort == "relevance" and bool(self.phrases)

    def without(self, name: Field) -> "Query":
        """The same with no filter by this field: what each of its values would give. Stores stay."""
        emptied = {"stage": {"stages": ()}, "licence": {"licences": ()}, "store": {}}[name]
        return replace(self, filters=replace(self.filters, **emptied))  # type: ignore[arg-type]
