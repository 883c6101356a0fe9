"""What somebody asks the corpus, checked; and the address that asks the same."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Self
from urllib.parse import urlencode

from tracing.core.errors import InputError
from tracing.core.search.dates import parse_date
from tracing.core.search.parsing import parse_words
from tracing.core.search.query import MATCHES, SORTS, Filters, Match, Query, Sort

RESULTS_MAX = 1000
"""How deep pages go."""
LIMIT_MAX = 50
VALUES_MAX = 50
VALUE_CHARACTERS_MAX = 200

LISTS = {"stages": "stage", "stores": "store", "licences": "licence"}
"""Fields that hold several values, and the parameter that names one."""


@dataclass(frozen=True)
class SearchRequest:
    """Parameters of a search as pages, /api/search/ and the command take them. Raises InputError.

    `q` is what people type (see parsing.py), `model` the checkpoint whose data is meant, `stores` names;
    `source` how the source begins, `since` and `until` dates (2024-05-17, 2024-05 or 2024), both included.
    """

    q: str = ""
    model: str = ""
    match: Match = "all"
    sort: Sort = "relevance"
    stages: tuple[str, ...] = ()
    stores: tuple[str, ...] = ()
    licences: tuple[str, ...] = ()
    source: str = ""
    since: str = ""
    until: str = ""
    page: int = 1
    limit: int = 10

    def __post_init__(self) -> None:
        check_texts(self)
        check_choice("match", self.match, MATCHES)
        check_choice("sort", self.sort, SORTS)
        check_number("limit", self.limit, LIMIT_MAX)
        check_number("page", self.page, RESULTS_MAX // self.limit)
        parse_words(self.q)
        parse_date(self.since)
        parse_date(self.until, last=True)

    @classmethod
    def of_parameters(cls, values: Mapping[str, Sequence[str]]) -> Self:
        """The request that an address asks; parameters that mean nothing here are passed over."""
        given: dict[str, Any] = {}
        for field in fields(cls):
            found = values.get(LISTS.get(field.name, field.name)) or []
            kept = list(dict.fromkeys(value for value in found if value))
            if field.name in LISTS:
                given[field.name] = tuple(kept)
            elif kept:
                last = kept[-1]
                given[field.name] = whole_number(field.name, last) if type(field.default) is int else last
        return cls(**given)

    @property
    def asks(self) -> bool:
        """Whether there is anything to search for, or to filter by."""
        return any(getattr(self, name) for name in ("q", "source", "since", "until", *LISTS))

    def query(self, digests: Sequence[str]) -> Query:
        """The query over the stores with these digests."""
        phrases, excluded = parse_words(self.q)
        filters = Filters(
            stores=tuple(digests),
            stages=self.stages,
            licences=self.licences,
            source=self.source,
            since=parse_date(self.since),
            until=parse_date(self.until, last=True),
        )
        return Query(filters, phrases, excluded, match=self.match, sort=self.sort)

    def address(self, **changes: Any) -> str:
        """The query string of this request with changes, defaults left out; a change leads to page 1."""
        changed = replace(self, **{"page": 1, **changes}) if changes else self
        pairs: list[tuple[str, Any]] = []
        for field in fields(changed):
            value = getattr(changed, field.name)
            if field.name in LISTS:
                pairs += [(LISTS[field.name], one) for one in value]
            elif value != field.default:
                pairs.append((field.name, value))
        return "?" + urlencode(pairs)

    def toggled(self, field: str, value: str) -> str:
        """The address with a value of a list added, or taken out where it is in it."""
        now = getattr(self, field)
        return self.address(**{field: tuple(v for v in now if v != value) if value in now else (*now, value)})


def check_texts(request: SearchRequest) -> None:
    for field in fields(request):
        value = getattr(request, field.name)
        if field.name in LISTS and len(value) > VALUES_MAX:
            raise InputError(f"{LISTS[field.name]} has {len(value)} values: {VALUES_MAX} at most.")
        texts = [value] if isinstance(value, str) else value if isinstance(value, tuple) else []
        for text in texts:
            check_text(field.name, text, VALUE_CHARACTERS_MAX if field.name != "q" else None)


def check_text(name: str, text: str, characters: int | None) -> None:
    if characters is not None and len(text) > characters:
        raise InputError(f"{name} has {len(text)} characters: {characters} at most.")
    if "\0" in text and name != "q":
        raise InputError(f"{name} holds a NUL character: leave it out.")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InputError(f"{name} holds half a surrogate pair at character {error.start}.") from None


def check_choice(name: str, value: str, choices: Sequence[str]) -> None:
    if value not in choices:
        raise InputError(f"{name} is {value[:40]!r}: write {' or '.join(choices)}.")


def check_number(name: str, value: int, most: int) -> None:
    if type(value) is not int or not 1 <= value <= most:
        raise InputError(f"{name} is {value}: it can be 1 to {most}. Narrow the search to see others.")


def whole_number(name: str, text: str) -> int:
    if not (text.isascii() and text.isdecimal()) or len(text) > 9:
        raise InputError(f"{name} is {text[:40]!r}: write a whole number.")
    return int(text)
