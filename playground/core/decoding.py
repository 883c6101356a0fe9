"""Sampled token ids to text as they come, so that the pieces together are the decoding of all the ids."""

import codecs
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from tracing.core.text.tokenizer import TextTokenizer


@dataclass(frozen=True)
class Decoded:
    """Ids and the text that they hold. No character is split between two of these."""

    token_ids: tuple[int, ...]
    text: str


@dataclass
class TokenDecoder:
    """Holds an id back while it ends inside a character: at most three of them wait at a time."""

    tokenizer: TextTokenizer
    _bytes: codecs.IncrementalDecoder = field(
        default_factory=lambda: codecs.getincrementaldecoder("utf-8")("replace")
    )
    _waiting_ids: list[int] = field(default_factory=list)
    _waiting_text: str = ""

    def push(self, token_ids: Sequence[int]) -> Decoded:
        """The next ids; gives those that are whole by now."""
        ids, text, whole_ids, whole_characters = self._waiting_ids, self._waiting_text, 0, 0
        for token_id in token_ids:
            ids.append(token_id)
            text += self._bytes.decode(token_bytes(self.tokenizer, token_id))
            if not self._bytes.getstate()[0]:
                whole_ids, whole_characters = len(ids), len(text)
        self._waiting_ids, self._waiting_text = ids[whole_ids:], text[whole_characters:]
        return Decoded(tuple(ids[:whole_ids]), text[:whole_characters])

    def finish(self) -> Decoded:
        """What is left; bytes that never became a character are U+FFFD."""
        ids, text = tuple(self._waiting_ids), self._waiting_text + self._bytes.decode(b"", final=True)
        self._waiting_ids, self._waiting_text = [], ""
        return Decoded(ids, text)


@lru_cache(maxsize=2**16)
def token_bytes(tokenizer: TextTokenizer, token_id: int) -> bytes:
    """The bytes of one token, kept, because every sampled token asks for its own."""
    return tokenizer.pieces([token_id])[0]


@dataclass
class StopFinder:
    """Ends the text before the first of the stop texts, and holds back what may become one.

    Ids go out with the text: one that the stop text cuts in two goes out with the part before it.
    """

    stops: tuple[str, ...]
    found: bool = False
    _held: list[Decoded] = field(default_factory=list)

    def push(self, pieces: Sequence[Decoded]) -> list[Decoded]:
        """The next pieces, one token or character each; gives those that are certainly before any stop."""
        if not self.stops:
            return list(pieces)
        self._held.extend(pieces)
        text = "".join(piece.text for piece in self._held)
        ends = [at for stop in self.stops if (at := text.find(stop)) >= 0]
        if ends:
            self.found = True
            return self._take(min(ends), cut=True)
        return self._take(len(text) - stop_begun(text, self.stops), cut=False)

    def finish(self) -> list[Decoded]:
        """The text ended by itself: what was held back belongs to it."""
        held, self._held = self._held, []
        return [] if self.found else held

    def _take(self, characters: int, *, cut: bool) -> list[Decoded]:
        """The held pieces within the first `characters`; with `cut`, the one that crosses the end too."""
        taken = []
        while self._held and len(self._held[0].text) <= characters and (characters or not cut):
            piece = self._held.pop(0)
            characters -= len(piece.text)
            taken.append(piece)
        if cut and characters:
            crossing = self._held[0]
            taken.append(Decoded(crossing.token_ids, crossing.text[:characters]))
        return taken


def stop_begun(text: str, stops: Sequence[str]) -> int:
    """How many characters at the end of `text` may be the beginning of a stop text."""
    longest = min(max(map(len, stops)) - 1, len(text))
    begun = (n for n in range(longest, 0, -1) if any(stop.startswith(text[-n:]) for stop in stops))
    return next(begun, 0)
