"""Does a rule that blocks documents fit one? Decided by its metadata alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from tracing.core.errors import InputError

RULE_KINDS = ("prefix", "domain", "licence", "corpus", "field")


@dataclass(frozen=True)
class Blocking:
    """A rule: what of the metadata it compares (`kind`, for "field" the `field` of that name) with `value`.

    "prefix": the source or the URL begins with it. "domain": the URL's host is it, or below it. "licence",
    "corpus" and "field": exactly it; numbers and booleans compare as they are written in JSON. InputError
    for an unknown kind, an empty value, a field's name missing or not asked for, or a domain that is none.
    """

    kind: str
    value: str
    field: str = ""

    def __post_init__(self) -> None:
        if self.kind not in RULE_KINDS:
            raise InputError(f"{self.kind!r} is no kind of rule: choose from {', '.join(RULE_KINDS)}.")
        if not self.value.strip():
            raise InputError("A rule needs a value: an empty one would block every document.")
        if (self.kind == "field") != bool(self.field):
            raise InputError("Name the metadata field for a rule of kind field, and for no other.")
        if self.kind == "domain" and not _is_domain(self.value):
            raise InputError(f"{self.value!r} is no domain: write it like example.org, without https://.")

    def fits(self, metadata: Mapping[str, Any]) -> bool:
        """Whether the document with these metadata is blocked."""
        match self.kind:
            case "prefix":
                places = (str(metadata.get(name) or "") for name in ("source", "url"))
                return any(place.startswith(self.value) for place in places)
            case "domain":
                return f".{_host(metadata.get('url'))}".endswith(f".{self.value.lower().rstrip('.')}")
            case "licence" | "corpus":
                return _written(metadata.get(self.kind)) == self.value
            case _:
                return self.field in metadata and _written(metadata[self.field]) == self.value


def _host(url: Any) -> str:
    try:
        return (urlsplit(str(url or "")).hostname or "").rstrip(".")
    except ValueError:  # a bracket or a port that makes no sense
        return ""


def _is_domain(value: str) -> bool:
    return "." in value.strip(".") and not set("/:@?# ") & set(value)


def _written(value: Any) -> str:
    """As it stands in JSON, texts without their quotes."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)
