"""What people type into the search box becomes phrases. The syntax: words, "a phrase", -excluded, -"both"."""

import re
from typing import Final

from tracing.core.errors import InputError
from tracing.core.search.query import Phrase
from tracing.core.search.words import words_of

CHARACTERS_MAX: Final = 1000
CLAUSES_MAX: Final = 32
WORDS_MAX: Final = 100

_CLAUSE: Final = re.compile(r'(?P<minus>-?)(?:"(?P<phrase>[^"]*)"?|(?P<word>[^\s"]+))')
_QUOTES: Final = str.maketrans(dict.fromkeys("“”„‟«»", '"'))


def parse_words(text: str) -> tuple[tuple[Phrase, ...], tuple[Phrase, ...]]:
    """The phrases to find and those to exclude, in the order typed, each once.

    A quote that is not closed runs to the end. What is no word (wildcards, brackets, control characters)
    separates words and means nothing. A word such as `os.path` is a phrase of its parts. Raises
    InputError for a query that is too long, has too many parts, or has no word at all.
    """
    if len(text) > CHARACTERS_MAX:
        raise InputError(
            f"The query has {len(text):,} characters, {CHARACTERS_MAX:,} are allowed: shorten it."
        )
    found: dict[Phrase, None] = {}
    excluded: dict[Phrase, None] = {}
    for clause in _CLAUSE.finditer(text.translate(_QUOTES)):
        phrase = tuple(words_of(clause["phrase"] or clause["word"] or ""))
        if phrase:
            (excluded if clause["minus"] else found)[phrase] = None
    _check(text, [*found, *excluded])
    return tuple(found), tuple(excluded)


def _check(text: str, phrases: list[Phrase]) -> None:
    if text.strip() and not phrases:
        raise InputError(f"There is no word in {_shown(text)}: type words that documents contain.")
    if len(phrases) > CLAUSES_MAX:
        raise InputError(f"The query has {len(phrases)} words and phrases, {CLAUSES_MAX} are allowed.")
    words = sum(map(len, phrases))
    if words > WORDS_MAX:
        raise InputError(f"The query's phrases have {words} words together, {WORDS_MAX} are allowed.")


def _shown(text: str) -> str:
    return ascii(text[:40]) if not text.isprintable() else f"“{text[:40]}”"
