"""A whole document, a page at a time, with the matches of a span marked."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from tracing.core.errors import InputError
from tracing.core.stores.manifest import Manifest
from tracing.core.text.decoding import Offsets, decode_marked, whole_characters
from tracing.core.text.token_ids import as_token_ids
from tracing.core.text.tokenizer import TextTokenizer

PAGE_TOKENS: Final = 4000


@dataclass(frozen=True)
class DocumentView:
    """One page of a document: its text and the (start, end) characters of the span's matches in it.

    Pages count from 1. `match_pages` are the pages on which a match begins; `total_matches` counts
    the matches of the whole document. A match that runs over the page's end is marked up to there.
    """

    text: str
    matches: Offsets
    metadata: Mapping[str, Any]
    page: int
    pages: int
    match_pages: tuple[int, ...]
    total_matches: int
    tokens: int


class Readable(Protocol):
    """A store whose documents can be read, wherever it lies."""

    @property
    def manifest(self) -> Manifest: ...
    def reading(self) -> AbstractContextManager[None]: ...
    def token_ids(self, document: int) -> NDArray[Any]: ...
    def metadata(self, document: int) -> dict[str, Any]: ...


def read_document(
    store: Readable,
    document: int,
    tokenizer: TextTokenizer,
    token_ids_of_span: Sequence[int] | NDArray[Any] = (),
    *,
    page: int | None = None,
    page_tokens: int = PAGE_TOKENS,
) -> DocumentView:
    """A page of `document`; by default the one where the span first matches, else the first.

    Raises InputError for a document or page that is not there, StoreDamaged as ever.
    """
    with store.reading():
        return _read_page(store, document, tokenizer, as_token_ids(token_ids_of_span), page, page_tokens)


def _read_page(
    store: Readable,
    document: int,
    tokenizer: TextTokenizer,
    span: NDArray[np.int64],
    page: int | None,
    page_tokens: int,
) -> DocumentView:
    tokens = store.token_ids(document)
    starts = find_all(tokens, span)
    pages = max(1, -(-tokens.size // page_tokens))
    match_pages = tuple(sorted({int(start) // page_tokens + 1 for start in starts}))
    page = page or (match_pages[0] if match_pages else 1)
    if not 1 <= page <= pages:
        raise InputError(f"Document {document} of {store.manifest.name} has {pages} pages, no page {page}.")
    bounds = ((page - 1) * page_tokens, min(page * page_tokens, tokens.size))
    text, matches = _decode(tokens, bounds, [(int(s), int(s) + span.size) for s in starts], tokenizer)
    return DocumentView(
        text=text,
        matches=matches,
        metadata=store.metadata(document),
        page=page,
        pages=pages,
        match_pages=match_pages,
        total_matches=len(starts),
        tokens=tokens.size,
    )


def find_all(tokens: NDArray[Any], span: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where `span` occurs in `tokens`, overlapping ones too; none for an empty span."""
    places = np.arange(max(0, tokens.size - span.size + 1) if span.size else 0)
    for k, token in enumerate(span.tolist()):
        places = places[tokens[places + k] == token]
    return places


def _decode(
    tokens: NDArray[Any], bounds: tuple[int, int], matches: list[tuple[int, int]], tokenizer: TextTokenizer
) -> tuple[str, Offsets]:
    """Text of a page, characters that its edges cut given to the page where they begin."""
    start, stop = bounds
    reach = min(stop + 4, tokens.size)
    pieces = tokenizer.stored_pieces(tokens[start:reach])
    first, _ = whole_characters(pieces, 0, len(pieces)) if start else (0, 0)
    last = stop - start
    while last < len(pieces) and pieces[last][:1] and 0x80 <= pieces[last][0] < 0xC0:
        last += 1
    inside = [(max(a - start, first), min(b - start, last)) for a, b in matches]
    ranges = [(a - first, b - first) for a, b in inside if a < b]
    return decode_marked(pieces[first:last], ranges)
