"""What templates make of text: cut at the places to mark, and addresses that may be followed."""

import re
from collections.abc import Iterable, Sequence

Part = tuple[bool, str]


def marked_parts(text: str, matches: Iterable[Sequence[int]]) -> list[Part]:
    """The whole text in parts, each with whether it lies in one of `matches`: (start, end) in order.

    Matches that overlap are cut where the next begins, so that every character stands in one part.
    """
    parts: list[Part] = []
    done = 0
    for start, end in matches:
        parts += [(False, text[done:start]), (True, text[max(start, done) : end])]
        done = max(done, end)
    parts.append((False, text[done:]))
    return [part for part in parts if part[1]]


def web_address(text: object) -> str:
    """The text where it is an address of the web, else nothing: a document's metadata may say anything."""
    address = str(text or "").strip()
    return address if address.lower().startswith(("https://", "http://")) else ""


def places_of(text: str, words: str) -> list[tuple[int, int]]:
    """Where `words` stand in the text, as (start, end) in order, none overlapping."""
    return [found.span() for found in re.finditer(re.escape(words), text)] if words else []
