"""A whole document, a page at a time, with the matches of a span marked."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from tracing.core.bytes.finding import Place, find_text
from tracing.core.documents.snippets import without_margins
from tracing.core.errors import InputError
from tracing.core.stores.manifest import Manifest
from tracing.core.text.decoding import Offsets, decode_marked, whole_characters
from tracing.core.text.numbering import NumberTokenizer
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
    places = find_places(tokens, span, tokenizer)
    pages = max(1, -(-tokens.size // page_tokens))
    match_pages = tuple(sorted({place.start // page_tokens + 1 for place in places}))
    page = page or (match_pages[0] if match_pages else 1)
    if not 1 <= page <= pages:
        raise InputError(f"Document {document} of {store.manifest.name} has {pages} pages, no page {page}.")
    bounds = ((page - 1) * page_tokens, min(page * page_tokens, tokens.size))
    text, matches = _decode(tokens, bounds, places, tokenizer)
    return DocumentView(
        text=text,
        matches=matches,
        metadata=store.metadata(document),
        page=page,
        pages=pages,
        match_pages=match_pages,
        total_matches=len(places),
        tokens=tokens.size,
    )


def find_places(tokens: NDArray[Any], span: NDArray[np.int64], tokenizer: TextTokenizer) -> list[Place]:
    """Where the span's ids stand among `tokens`, or else, in other tokens, its text."""
    found = [Place(int(start), int(start) + span.size) for start in find_all(tokens, span)]
    return found or ([] if isinstance(tokenizer, NumberTokenizer) else find_text(tokens, span, tokenizer))


def find_all(tokens: NDArray[Any], span: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where `span` occurs in `tokens`, overlapping ones too; none for an empty span."""
    places = np.arange(max(0, tokens.size - span.size + 1) if span.size else 0)
    for k, token in enumerate(span.tolist()):
        places = places[tokens[places + k] == token]
    return places


def _decode(
    tokens: NDArray[Any], bounds: tuple[int, int], matches: Sequence[Place], tokenizer: TextTokenizer
) -> tuple[str, Offsets]:
    """Text of a page, characters that its edges cut given to the page where they begin."""
    start, stop = bounds
    reach = min(stop + 4, tokens.size)
    pieces = tokenizer.stored_pieces(tokens[start:reach])
    first, _ = whole_characters(pieces, 0, len(pieces)) if start else (0, 0)
    last = stop - start
    while last < len(pieces) and pieces[last][:1] and 0x80 <= pieces[last][0] < 0xC0:
        last += 1
    inside = [_clipped(match, start + first, start + last) for match in matches]
    shown = [place for place in inside if place.start < place.stop]
    held = pieces[first:last]
    text, found = decode_marked(held, [place[:2] for place in shown])
    return text, [
        without_margins(at, place[2:], held[place.start : place.stop])
        for at, place in zip(found, shown, strict=True)
    ]


def _clipped(place: Place, start: int, stop: int) -> Place:
    """What lies of a place between two tokens of the document, counted from the first of these."""
    before = place.before_bytes if place.start >= start else 0
    after = place.after_bytes if place.stop <= stop else 0
    return Place(max(place.start, start) - start, min(place.stop, stop) - start, before, after)
