"""Following a stream: the spans of a text while its tokens arrive."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tracing.core.matching.corpus import Corpus, Ranges
from tracing.core.matching.spans import Piece, Span, SpanOptions, build_spans, candidates, kept, rarest
from tracing.core.text.decoding import GrowingText
from tracing.core.text.layout import TextLayout
from tracing.core.text.tokenizer import TextTokenizer


class LiveTrace:
    """The spans of the tokens pushed so far: at any moment those of `Tracer.trace` on the same tokens.

    It holds the longest suffix of the text that occurs in the corpus, with its ranges of ranks; a new
    token narrows them, or else ends that match and begins a shorter one. One thread at a time.
    """

    def __init__(self, corpus: Corpus, tokenizer: TextTokenizer, options: SpanOptions) -> None:
        self._corpus, self._tokenizer, self._options = corpus, tokenizer, options
        self._query, self._growing, self._layout = corpus.query(), GrowingText(), TextLayout()
        self._markup: list[bool] = []
        self._sums = [0.0]  # log-probability of the first k tokens
        self._ended: list[Piece] = []  # maximal spans that no further token can change
        self._settled_spans = 0  # how many of them lie where the layout is settled,
        self._settled: list[Piece] = []  # and their candidates
        self._begun = 0  # the open match is [begun, end of the text)
        self._ranges: Ranges | None = None  # of the open match; none while it is empty
        self._shown: dict[Piece, Span] = {}
        self._final: dict[Piece, Span] = {}  # spans built where the layout is settled

    @property
    def text(self) -> str:
        """The text so far; the end of it may be half a character (U+FFFD)."""
        return self._growing.text

    def push(self, token_ids: Sequence[int] | NDArray[Any]) -> list[Span]:
        """Append tokens; returns the spans that are new, or changed, since the last push.

        InputError for ids outside the vocabulary, before anything is changed; StoreDamaged as ever.
        """
        pieces = self._tokenizer.pieces(token_ids)
        before = self._shown
        with self._corpus.reading():
            self._append(token_ids, pieces)
            self._shown = self._show()
        return [span for piece, span in self._shown.items() if before.get(piece) != span]

    def spans(self) -> list[Span]:
        """The spans to show now, in text order, without documents."""
        return list(self._shown.values())

    def maximal(self) -> list[Piece]:
        """All maximal spans of the text so far."""
        return [*self._ended, *self._open()]

    def _append(self, token_ids: Sequence[int] | NDArray[Any], pieces: list[bytes]) -> None:
        first = self._query.size
        ids = self._query.extend(token_ids)
        for stop in range(first + 1, self._query.size + 1):
            self._follow(stop)
        for log_probability in self._corpus.log_probabilities(ids).tolist():
            self._sums.append(self._sums[-1] + log_probability)
        self._markup += [token in self._tokenizer.markup_ids for token in ids.tolist()]
        self._growing.extend(pieces)
        self._layout.update(self._growing.text, self._growing.offsets, self._markup, self._growing.complete)

    def _follow(self, stop: int) -> None:
        """Make [begun, stop) the longest suffix of the first `stop` tokens that occurs."""
        ranges = self._find(self._begun, stop, self._ranges)
        if ranges is None:
            if self._begun < stop - 1:
                self._ended.append((self._begun, stop - 1))
            self._begun, ranges = self._restart(stop)
        self._ranges = ranges

    def _restart(self, stop: int) -> tuple[int, Ranges | None]:
        """The first start after `begun` whose [start, stop) occurs, and its ranges; `stop` if there is none.

        If one start will do so will those after it, so half of them are ruled out at a time.
        """
        low, high, found = self._begun + 1, stop, None
        while low < high:
            middle = (low + high) // 2
            if ranges := self._find(middle, stop):
                high, found = middle, ranges
            else:
                low = middle + 1
        return low, found

    def _find(self, start: int, stop: int, within: Ranges | None = None) -> Ranges | None:
        """Ranges of [start, stop), `within` those of [start, stop - 1) if given; None if it never occurs."""
        known = 1 if within is None else stop - 1 - start
        ranges = self._corpus.find(self._query, np.array([start]), np.array([stop]), within, known)
        return ranges if ranges.counts.any() else None

    def _open(self) -> list[Piece]:
        return [(self._begun, self._query.size)] if self._begun < self._query.size else []

    def _show(self) -> dict[Piece, Span]:
        """The spans to show; those that the text's end cannot change any more are built once."""
        chosen = self.maximal() if self._options.raw else self._chosen()
        new = [piece for piece in chosen if piece not in self._final]
        built = build_spans(self._corpus, self._query, self._layout, new, self._sums, self._options.raw)
        shown = self._final | dict(zip(new, built, strict=True))
        self._final |= {piece: shown[piece] for piece in new if piece[1] <= self._layout.settled}
        return {piece: shown[piece] for piece in chosen}

    def _chosen(self) -> list[Piece]:
        settled = len(self._ended)
        while settled > self._settled_spans and self._ended[settled - 1][1] > self._layout.settled:
            settled -= 1
        self._settled += candidates(
            self._layout, self._ended[self._settled_spans : settled], self._options.min_tokens
        )
        self._settled_spans = settled
        unsettled = candidates(self._layout, self.maximal()[settled:], self._options.min_tokens)
        return rarest([*self._settled, *unsettled], self._sums, kept(self._options, self._query.size))
