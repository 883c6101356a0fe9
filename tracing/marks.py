"""Text cut at the places to mark, for templates."""

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
