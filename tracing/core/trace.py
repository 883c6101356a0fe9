"""Tracing a text to the documents that contain its spans: the one entry for pages, API and commands."""

import time
from collections.abc import Sequence
from contextlib import nullcontext
from functools import cached_property, partial
from typing import Any

import numpy as np

from tracing.core.bytes.index import ByteIndex, ByteIndexes, ByteMatches
from tracing.core.bytes.twin import ByteTwin
from tracing.core.cancelling import Cancel, cancellable, stop_if_cancelled, watched
from tracing.core.documents.relevance import Relevance
from tracing.core.documents.sampling import Match, sample_matches
from tracing.core.documents.screening import Screen, Withheld, draw_matches
from tracing.core.documents.traced import (
    ScoredDocument,
    Seen,
    TracedDocument,
    describe,
    link_spans,
    score_documents,
)
from tracing.core.errors import Unanswered
from tracing.core.indexes import Index, Indexes, Stages
from tracing.core.matching.corpus import Corpus, EngineStore
from tracing.core.matching.live import LiveTrace
from tracing.core.matching.query import Query
from tracing.core.matching.spans import (
    Piece,
    Span,
    SpanOptions,
    build_spans,
    candidates,
    kept,
    maximal_spans,
    rarest,
    rarest_of_both,
)
from tracing.core.request import TraceRequest
from tracing.core.result import Trace, measure_coverage
from tracing.core.stores.pack import Pack
from tracing.core.stores.store import TokenStore
from tracing.core.text.layout import TextLayout
from tracing.core.text.token_ids import as_token_ids
from tracing.core.text.tokenizer import TextTokenizer


class Tracer:
    """Traces texts of one model to its stores. Threads may share one tracer.

    All stores must have been written with `tokenizer`; StoreMismatch if one was not. Each of `packs`
    is searched in place of the stores that it stands for. An `Index` in the place of a store is one that
    cannot be searched now: answers say so. `twins` find what the same words in other tokens hide.
    """

    def __init__(
        self,
        stores: Sequence[TokenStore | EngineStore | Index],
        tokenizer: TextTokenizer,
        packs: Sequence[Pack] = (),
        twins: Sequence[ByteTwin] = (),
    ) -> None:
        self._indexes, self.tokenizer = Indexes(stores, tokenizer.digest, packs), tokenizer
        self._byte_indexes = ByteIndexes(twins, tokenizer)

    def trace(
        self,
        request: TraceRequest,
        cancelled: Cancel | None = None,
        seen: Seen | None = None,
        withheld: Withheld | None = None,
    ) -> Trace:
        """The spans of the request's text and their documents.

        `cancelled` is asked now and then, and ends the trace with Cancelled; `seen` tells of a
        document (store name, number, metadata) when the model saw it; `withheld` says which documents of a
        store must not be shown, and why. Raises InputError for ids outside the vocabulary or stages without
        a store, StoreDamaged if anything that was read is not as written.
        Stores on other machines that do not answer are left out, and said with the reason.
        """
        began, reasons = time.perf_counter(), dict[str, str]()
        while True:  # each round without those that did not answer in the one before
            corpus = self._indexes.corpus(request.stages, reasons)
            asked = self._indexes.listed(request.stages, reasons)
            hidden = self._byte_indexes.of(corpus)
            tracing = _Tracing(corpus, asked, hidden, self.tokenizer, request, began, seen, withheld)
            try:
                with cancellable(cancelled):
                    return tracing.run(cancelled)
            except Unanswered as error:
                reasons |= error.reasons

    def live(self, options: SpanOptions | None = None, stages: Stages = None) -> LiveTrace:
        """Follow a stream: push its tokens as they come, and take the spans so far.

        Only stores on this machine are searched: others cannot be asked at every token.
        """
        elsewhere = dict.fromkeys(self._indexes.elsewhere, "it lies on another machine")
        corpus = self._indexes.corpus(stages, elsewhere)
        return LiveTrace(corpus, self.tokenizer, options or SpanOptions())

    def corpus(self, stages: Stages = None) -> Corpus:
        """The stores of these stages, or all, as one; InputError if there are none."""
        return self._indexes.corpus(stages, {})

    def count_bytes(self, texts: Sequence[str]) -> list[int]:
        """How often each text, of one character or more, stands in the byte indexes of the stores, whatever
        its tokens there. Unanswered where one on another machine is not told."""
        index = self._byte_indexes.of(self.corpus())
        if index is None or not texts:
            return [0] * len(texts)
        with index.reading():
            return index.count_texts(texts)


class _Tracing:
    """One trace on its way: the request, and how long each phase took."""

    def __init__(
        self,
        corpus: Corpus,
        indexes: Sequence[Index],
        byte_index: ByteIndex | None,
        tokenizer: TextTokenizer,
        request: TraceRequest,
        began: float,
        seen: Seen | None,
        withheld: Withheld | None,
    ) -> None:
        self._corpus, self._indexes, self._tokenizer, self._request = corpus, indexes, tokenizer, request
        self._byte_index, self._seen, self._withheld = byte_index, seen, withheld
        self._met: tuple[dict[str, Any], ...] = ()
        self._ids = as_token_ids(request.token_ids)
        self._timing_ms = {"match": 0.0, "documents": 0.0, "rank": 0.0, "total": 0.0}
        self._began = self._last = began

    def run(self, cancelled: Cancel | None) -> Trace:
        """Match, choose and count spans; sample, score and describe documents."""
        text, layout = self._lay_out()
        query, documents = self._corpus.query(self._ids), list[TracedDocument]()
        with self._corpus.reading(), self._byte_index.reading() if self._byte_index else nullcontext():
            maximal = maximal_spans(self._corpus.longest_matches(query, cancelled))
            hidden = self._search_bytes(layout, maximal)
            spans = self._count(query, layout, self._choose(layout, maximal, hidden), hidden)
            self._clock("match")
            if not self._request.raw:
                matches = self._sample(spans)
                self._clock("documents")
                scored = self._score(spans, matches)
                self._clock("rank")
                spans = link_spans(spans, scored)
                documents = self._describe(spans, scored)
        found = [*maximal, *hidden.pieces] if hidden else maximal
        coverage = measure_coverage(spans, found, self._ids.size, self._request.min_tokens)
        self._clock("documents")
        self._timing_ms["total"] = 1e3 * (self._last - self._began)
        return Trace(
            text=text,
            token_ids=tuple(self._ids.tolist()),
            indexes=tuple(self._indexes),
            spans=tuple(spans),
            documents=tuple(documents),
            coverage=coverage,
            timing_ms=self._timing_ms,
            withheld=self._met,
        )

    def _lay_out(self) -> tuple[str, TextLayout]:
        decoded, places = self._tokenizer.decode(self._ids)
        text, offsets = self._request.text, self._request.offsets
        if text is None or offsets is None:
            text, offsets = decoded, places
        layout = TextLayout()
        stop_if_cancelled()
        markup = [token in self._tokenizer.markup_ids for token in watched(self._ids.tolist())]
        layout.update(text, offsets, markup, len(text))
        return text, layout

    @cached_property
    def _sums(self) -> list[float]:
        """Log-probability of the first k tokens, for k from 0."""
        logs = self._corpus.log_probabilities(self._ids)
        sums: list[float] = np.concatenate([[0.0], np.cumsum(logs)]).tolist()
        return sums

    def _search_bytes(self, layout: TextLayout, maximal: list[Piece]) -> ByteMatches | None:
        """What only the boundaries of tokens keep from being in a maximal span."""
        if self._byte_index is None:
            return None
        return self._byte_index.search(layout, maximal, self._request.min_tokens)

    def _choose(
        self, layout: TextLayout, maximal: list[Piece], hidden: ByteMatches | None
    ) -> tuple[list[Piece], list[Piece]]:
        """The pieces to show, matched on tokens and on bytes: whole words within sentences, the rarest; if
        raw all maximal spans, and all that bytes add to them."""
        others = hidden.pieces if hidden else []
        if self._request.raw:
            return maximal, rarest(others, self._sums, len(others))
        found = candidates(layout, maximal, self._request.min_tokens)
        return rarest_of_both(found, others, self._sums, kept(self._request, self._ids.size))

    def _count(
        self,
        query: Query,
        layout: TextLayout,
        pieces: tuple[list[Piece], list[Piece]],
        hidden: ByteMatches | None,
    ) -> list[Span]:
        """The spans of these pieces in text order, with their counts by stage."""
        spans = build_spans(self._corpus, query, layout, pieces[0], self._sums, self._request.raw)
        if self._byte_index and hidden and pieces[1]:
            spans += self._byte_index.count(hidden, layout, pieces[1], self._sums)
            spans.sort(key=lambda span: (span.token_start, span.token_end))
        return spans

    def _sample(self, spans: list[Span]) -> list[Match]:
        """Some occurrences of each span in documents that may be shown, drawn by the seed, one a document."""
        request = self._request
        screen = Screen(self._corpus, spans, request.wanted, self._withheld, lambda: self._relevance)
        sample = self._byte_index.sample if self._byte_index else partial(sample_matches, self._corpus)
        matches = draw_matches(sample, spans, request.max_documents, request.seed, screen)
        self._met = screen.counts()
        return matches

    @cached_property
    def _relevance(self) -> Relevance:
        """Relevance to prompt and answer together."""
        prompt_ids, _ = self._tokenizer.encode(self._request.prompt_text)
        return Relevance(self._corpus, as_token_ids(prompt_ids), self._ids)

    def _score(self, spans: list[Span], matches: list[Match]) -> list[ScoredDocument]:
        """The documents of these matches, by BM25 against prompt and answer."""
        return score_documents(self._corpus, spans, matches, self._relevance)

    def _describe(self, spans: list[Span], scored: list[ScoredDocument]) -> list[TracedDocument]:
        """The documents as they are shown."""
        return describe(self._corpus, self._tokenizer, spans, scored, self._seen)

    def _clock(self, phase: str) -> None:
        """Add the time since the last call to `phase`; a good place to stop, too."""
        now = time.perf_counter()
        self._timing_ms[phase] += 1e3 * (now - self._last)
        self._last = now
        stop_if_cancelled()


__all__ = ["LiveTrace", "Trace", "TraceRequest", "Tracer"]
