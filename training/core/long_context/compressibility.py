"""The gzip filter of long documents: what compresses best repeats itself, what compresses worst is noise
(Olmo 3, section 3.6)."""

import zlib
from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")
DROPPED = 0.2
LEVEL = 6  # gzip's own default


def compressibility(text: str) -> float:
    """Compressed size over size, both in bytes of UTF-8: small for text that repeats itself."""
    raw = text.encode()
    return len(zlib.compress(raw, LEVEL)) / max(1, len(raw))


def drop_extremes(documents: Sequence[T], text: Callable[[T], str], share: float = DROPPED) -> list[T]:
    """The documents in their order, without the `share` that compress best and the `share` that compress
    worst."""
    ranked = sorted(range(len(documents)), key=lambda place: compressibility(text(documents[place])))
    dropped = int(share * len(documents))
    kept = ranked[dropped : len(ranked) - dropped]
    return [documents[place] for place in sorted(kept)]
