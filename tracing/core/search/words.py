"""Words, as corpus search knows them: the same for documents, queries and highlights, in every backend.

A word is a run of letters, digits and underscores with their combining marks; a character of a script
without spaces (Han, kana, Thai) is a word of its own. Words are compared in Unicode's NFKC form, case folded.
"""

import re
import unicodedata
from functools import lru_cache
from itertools import pairwise
from typing import Final

from tracing.core.text.layout import UNSPACED

WORD_CHARACTERS_MAX: Final = 100
"""Of a longer word only the beginning counts: search engines drop or split very long ones."""


def _marks() -> str:
    """All combining marks, as ranges for a regular expression's character class."""
    numbers = [n for n in range(0x300, 0x20000) if unicodedata.category(chr(n)).startswith("M")]
    starts = [numbers[0], *(b for a, b in pairwise(numbers) if b != a + 1)]
    ends = [*(a for a, b in pairwise(numbers) if b != a + 1), numbers[-1]]
    return "".join(f"{chr(a)}-{chr(b)}" for a, b in zip(starts, ends, strict=True))


_MARKS: Final = _marks()
_ALONE: Final = UNSPACED.pattern[1:-1]
_WORD: Final = re.compile(rf"[{_ALONE}][{_MARKS}]*|[^\W{_ALONE}](?:[^\W{_ALONE}]|[{_MARKS}])*")
_ASCII_WORD: Final = re.compile(r"\w+", re.ASCII)


def words_of(text: str) -> list[str]:
    """The words of `text` in order, normalised."""
    if text.isascii():
        return [word[:WORD_CHARACTERS_MAX] for word in _ASCII_WORD.findall(text.lower())]
    return [_normalised(word) for word in _WORD.findall(text)]


def located_words(text: str) -> list[tuple[str, int, int]]:
    """The words of `text` as `words_of` gives them, each with its (start, end) characters."""
    if text.isascii():
        found = _ASCII_WORD.finditer(text.lower())
        return [(match[0][:WORD_CHARACTERS_MAX], *match.span()) for match in found]
    return [(_normalised(match[0]), *match.span()) for match in _WORD.finditer(text)]


@lru_cache(maxsize=1 << 16)
def _normalised(word: str) -> str:
    folded = unicodedata.normalize("NFKC", word).casefold()
    return "".join(folded.split())[:WORD_CHARACTERS_MAX]
