"""Searching the byte twins of a corpus: spans that only the boundaries of tokens keep from being found."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from tracing.core.arrays import Longs
from tracing.core.bytes.documents import whole_documents
from tracing.core.bytes.text import ByteText
from tracing.core.bytes.twin import BYTE, ByteTwin
from tracing.core.cancelling import watched
from tracing.core.documents.sampling import Cover, Match, sample_matches
from tracing.core.errors import StoreMismatch, Unanswered
from tracing.core.matching.corpus import Corpus, Document
from tracing.core.matching.query import Query
from tracing.core.matching.spans import Piece, Span, count_pieces, maximal_spans
from tracing.core.nodes.node_store import place_of
from tracing.core.text.layout import TextLayout
from tracing.core.text.tokenizer import TextTokenizer

INDEXES_MAX = 32


class ByteIndex:
    """The twins of those stores of `corpus` that have one. All calls are made inside both `reading()`s."""

    def __init__(self, corpus: Corpus, twins: Sequence[ByteTwin], tokenizer: TextTokenizer) -> None:
        self._corpus, self._twins = corpus, twins
        self._bytes = Corpus([twin.twin for twin in twins])
        self._stores = [twin.store for twin in twins for _ in range(twin.twin.manifest.shards)]  # of each row
        self._piece_bytes = tokenizer.piece_bytes

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Around every use: no result leaves unless all that was read is sound.

        A twin on another machine that does not answer leaves its store unanswered: it would be searched by
        halves.
        """
        owners = {twin.twin.manifest.digest: twin.store.manifest.digest for twin in self._twins}
        try:
            with self._bytes.reading():
                yield
        except Unanswered as error:
            twins = {owners[d]: f"its byte index: {why}" for d, why in error.reasons.items() if d in owners}
            others = {digest: why for digest, why in error.reasons.items() if digest not in owners}
            raise Unanswered(twins | others) from error

    def search(self, layout: TextLayout, maximal: Sequence[Piece], min_tokens: int) -> "ByteMatches":
        """Pieces of whole words, `min_tokens` of the text's tokens or more, that lie in some document's text
        and in none of the runs `maximal` that were found token by token."""
        text = ByteText(layout)
        query = Query({BYTE}, text.bytes)
        runs = maximal_spans(self._bytes.longest_matches(query))
        starts, stops = np.array(runs, dtype=np.int64).reshape(-1, 2).T
        firsts, lasts = text.tokens_inside(starts, stops)
        known = _Runs(maximal)
        long = (lasts - firsts >= min_tokens) & ~known.hold(firsts, lasts)
        found = [
            piece
            for first, last in watched(zip(firsts[long].tolist(), lasts[long].tolist(), strict=True))
            for piece in layout.pieces(first, last)
            if piece[1] - piece[0] >= min_tokens
        ]
        pieces = np.array(sorted(set(found)), dtype=np.int64).reshape(-1, 2)
        new = pieces[~known.hold(pieces[:, 0], pieces[:, 1])]
        return ByteMatches(text, query, [(first, last) for first, last in new.tolist()])

    def count(
        self, found: "ByteMatches", layout: TextLayout, pieces: Sequence[Piece], sums: Sequence[float]
    ) -> list[Span]:
        """The spans of these pieces; their counts are those of the twins, by their stores' stages."""
        places = [layout.stripped(*piece) for piece in pieces]
        bounds = [found.text.bytes_of(*place) for place in places]
        spans = count_pieces(self._bytes, found.query, layout.text, pieces, places, bounds, sums)
        return [replace(span, matched_on="bytes") for span in spans]

    def count_texts(self, texts: Sequence[str]) -> list[int]:
        """How often each text, of one character or more, stands in the twins."""
        parts = [text.encode("utf-8", "replace") for text in texts]
        stops = np.cumsum([len(part) for part in parts], dtype=np.int64)
        starts = np.concatenate([[0], stops[:-1]]).astype(np.int64)
        query = Query({BYTE}, np.frombuffer(b"".join(parts), dtype=np.uint8))
        counts: list[int] = self._bytes.find(query, starts, stops).counts.sum(axis=0).tolist()
        return counts

    def sample(self, spans: Sequence[Span], documents: int, seed: int) -> list[Match]:
        """As `sample_matches`, for spans of both kinds; all matches are in rows of the corpus of tokens."""
        kinds: dict[str, list[int]] = {"tokens": [], "bytes": []}
        for number, span in enumerate(spans):
            kinds[span.matched_on].append(number)
        on_tokens, on_bytes = (
            sample_matches(corpus, [spans[n] for n in numbers], documents, seed, numbers)
            for corpus, numbers in ((self._corpus, kinds["tokens"]), (self._bytes, kinds["bytes"]))
        )
        sizes = {number: len(spans[number].text.encode()) for number in kinds["bytes"]}
        origins = [(self._stores[match.row], match.document) for match in on_bytes]
        places = whole_documents(self._corpus, origins)
        return on_tokens + [
            self._on_tokens(match, sizes[match.span], places[origin])
            for match, origin in zip(watched(on_bytes), origins, strict=True)
        ]

    def _on_tokens(self, match: Match, size_bytes: int, place: Document) -> Match:
        """The same match among the tokens of the store's document: those that hold its bytes."""
        ends = np.cumsum(self._piece_bytes[place.token_ids])
        start = match.position - match.start
        first = int(np.searchsorted(ends, start, side="right"))
        last = int(np.searchsorted(ends, start + size_bytes, side="left"))
        if ends.size == 0 or ends[-1] != match.stop - match.start or last >= ends.size:
            raise StoreMismatch(
                f"{place_of(self._stores[match.row])} and its byte index do not hold the same text: "
                "remove it."
            )
        before = start - (int(ends[first - 1]) if first else 0)
        cover = Cover(last + 1 - first, before, int(ends[last]) - start - size_bytes)
        position = place.start + first * place.token_ids.itemsize
        return Match(match.span, place.row, position, place.number, place.start, place.stop, cover)


class ByteIndexes:
    """The twins of one model's stores; made into an index for each corpus that is asked for."""

    def __init__(self, twins: Sequence[ByteTwin], tokenizer: TextTokenizer) -> None:
        self._twins, self._tokenizer = tuple(twins), tokenizer
        self._made: dict[int, tuple[Corpus, ByteIndex | None]] = {}

    def of(self, corpus: Corpus) -> ByteIndex | None:
        """The index of those of the corpus's stores that have a twin; None if none has one."""
        known, index = self._made.get(id(corpus), (None, None))
        if known is not corpus:
            twins = [twin for twin in self._twins if corpus.serves(twin.store)]
            index = ByteIndex(corpus, twins, self._tokenizer) if twins else None
            if len(self._made) >= INDEXES_MAX:
                self._made.clear()
            self._made[id(corpus)] = corpus, index
        return index


class ByteMatches:
    """What a search found: the pieces, in order, and the text and query that they are parts of."""

    def __init__(self, text: ByteText, query: Query, pieces: list[Piece]) -> None:
        self.text, self.query, self.pieces = text, query, pieces


class _Runs:
    """Maximal spans, in order: their ends rise with their starts."""

    def __init__(self, maximal: Sequence[Piece]) -> None:
        self._starts, self._stops = np.array([(-1, -1), *maximal], dtype=np.int64).T

    def hold(self, firsts: Longs, lasts: Longs) -> NDArray[np.bool_]:
        """Whether each [first, last) lies in one of them."""
        inside: NDArray[np.bool_] = (
            self._stops[np.searchsorted(self._starts, firsts, side="right") - 1] >= lasts
        )
        return inside
