"""Which documents a caller wants to see, by what their metadata say and how relevant they are."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from tracing.core.documents.relevance import TIERS
from tracing.core.errors import InputError

VALUES_MAX: Final = 64
LENGTH_MAX: Final = 500


@dataclass(frozen=True, kw_only=True)
class DocumentFilter:
    """What a document must be to be shown; None and empty ask for nothing.

    Its corpus and its licence must be among those given, its source or URL must begin with one of
    `sources`, and the window around its match must have at least the tier `relevance`. InputError for
    more than 64 values, empty or longer ones than 500 characters, or a tier that there is not.
    """

    corpora: tuple[str, ...] = ()
    licences: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    relevance: str | None = None

    def __post_init__(self) -> None:
        for name in ("corpora", "licences", "sources"):
            _check_values(name, getattr(self, name))
        if self.relevance is not None and self.relevance not in TIERS:
            raise InputError(f"relevance is {self.relevance!r}: give one of {', '.join(TIERS)}.")

    @property
    def tiers(self) -> tuple[str, ...]:
        """The tiers that are relevant enough."""
        return TIERS if self.relevance is None else TIERS[: TIERS.index(self.relevance) + 1]

    def fits(self, metadata: Mapping[str, Any]) -> bool:
        """Whether a document with these metadata may be shown, its relevance aside."""
        if self.corpora and metadata.get("corpus") not in self.corpora:
            return False
        if self.licences and metadata.get("licence") not in self.licences:
            return False
        places = [str(metadata.get(name) or "") for name in ("source", "url")]
        return not self.sources or any(place.startswith(self.sources) for place in places)


def _check_values(name: str, values: Any) -> None:
    if not isinstance(values, tuple) or len(values) > VALUES_MAX:
        raise InputError(f"{name} must be a list of at most {VALUES_MAX} texts.")
    for value in values:
        if not isinstance(value, str) or not 0 < len(value) <= LENGTH_MAX:
            raise InputError(f"{name} has {value!r:.60}: give texts of 1 to {LENGTH_MAX} characters.")
