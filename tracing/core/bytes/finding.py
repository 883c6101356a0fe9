"""Where a text stands in one document, whatever tokens it is cut into there."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tracing.core.bytes.twin import as_bytes
from tracing.core.cancelling import watched
from tracing.core.text.token_ids import as_token_ids
from tracing.core.text.tokenizer import TextTokenizer


class Place(NamedTuple):
    """Tokens start..stop of a document, and how many bytes of the first and of the last are outside."""

    start: int
    stop: int
    before_bytes: int = 0
    after_bytes: int = 0


def find_text(tokens: NDArray[Any], span: NDArray[np.int64], tokenizer: TextTokenizer) -> list[Place]:
    """Where the text of the ids `span`, without white space around it, stands among `tokens`."""
    if (span < 0).any() or (span >= tokenizer.vocab_size).any():
        return []
    words = b"".join(tokenizer.pieces(span)).strip()
    pieces = tokenizer.stored_pieces(as_token_ids(tokens))
    ends = np.cumsum([len(piece) for piece in pieces], dtype=np.int64)
    found = []
    for start in watched(_all(as_bytes(pieces).tobytes(), words)):
        first = int(np.searchsorted(ends, start, side="right"))
        last = int(np.searchsorted(ends, start + len(words), side="left"))
        before = start - (int(ends[first - 1]) if first else 0)
        found.append(Place(first, last + 1, before, int(ends[last]) - start - len(words)))
    return found


def _all(data: bytes, words: bytes) -> Iterator[int]:
    """Every place of `words`, those that overlap left out; none of no words."""
    at = data.find(words) if words else -1
    while at >= 0:
        yield at
        at = data.find(words, at + len(words))
