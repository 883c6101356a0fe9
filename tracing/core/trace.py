"""Tracing a text to the documents that contain its spans: the one entry for pages, API and commands."""

import time
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from tracing.core.cancelling import Cancel, cancellable, stop_if_cancelled, watched
from tracing.core.documents.relevance import Relevance
from tracing.core.documents.sampling import Match
from tracing.core.documents.screening import Screen, Withheld, draw_matches
from tracing.core.documents.traced import (
    ScoredDocument,
    Seen,
    TracedDocument,
    describe,
    link_spans,
    score_documents,
)
from tracing.core.errors import InputError, StoreMismatch
from tracing.core.matching.corpus import Corpus, Stores
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
)
from tracing.core.request import TraceRequest
from tracing.core.result import Trace, measure_coverage
from tracing.core.stores.pack import Pack
from tracing.core.text.layout import TextLayout
from tracing.core.text.token_ids import as_token_ids
from tracing.core.text.tokenizer import TextTokenizer

Stages = tuple[str, ...] | None


class Tracer:
    """Traces texts of one model to its stores. Threads may share one tracer.

    All stores must have been written with `tokenizer`; StoreMismatch if one was not. Each of `packs`
    is searched in place of the stores that it stands for.
    """

    def __init__(self, stores: Stores, tokenizer: TextTokenizer, packs: Sequence[Pack] = ()) -> None:
        for store in stores:
            if store.manifest.tokenizer != tokenizer.digest:
                raise StoreMismatch(
                    f"{store.manifest.name} was written with tokenizer {store.manifest.tokenizer}, "
                    f"the model has {tokenizer.digest}: build the store with the model's tokenizer."
                )
        self.stores, self.tokenizer = tuple(stores), tokenizer
        self._packs = tuple(packs)
        self._corpora: dict[Stages, Corpus] = {None: Corpus(self.stores, self._packs)}

    def trace(
        self,
        request: TraceRequest,
        cancelled: Cancel | None = None,
        seen: Seen | None = None,
        withheld: Withheld | None = None,
    ) -> Trace:
        """The spans of the request's text and their documents.

        `cancelled` is asked now and then, and ends the trace with Cancelled; `seen` tells of a
        document (store name, number) when the model saw it; `withheld` says which documents of a store
        must not be shown, and why. Raises InputError for ids outside the
        vocabulary or stages without a store, StoreDamaged if anything that was read is not as written.
        """
        corpus = self.corpus(request.stages)
        with cancellable(cancelled):
            return _Tracing(corpus, self.tokenizer, request, cancelled, seen, withheld).run()

    def live(self, options: SpanOptions | None = None, stages: Stages = None) -> LiveTrace:
        """Follow a stream: push its tokens as they come, and take the spans so far."""
        return LiveTrace(self.corpus(stages), self.tokenizer, options or SpanOptions())

    def corpus(self, stages: Stages = None) -> Corpus:
        """The stores of these stages, or all, as one; InputError if there are none."""
        if stages not in self._corpora:
            chosen = [store for store in self.stores if store.manifest.stage in (stages or ())]
            if not chosen:
                known = sorted({store.manifest.stage for store in self.stores})
                raise InputError(f"No store of stages {list(stages or ())}: this model has {known}.")
            packs = [pack for pack in self._packs if pack.store.manifest.stage in (stages or ())]
            self._corpora[stages] = Corpus(chosen, packs)
        return self._corpora[stages]


class _Tracing:
    """One trace on its way: the request, and how long each phase took."""

    def __init__(
        self,
        corpus: Corpus,
        tokenizer: TextTokenizer,
        request: TraceRequest,
        cancelled: Cancel | None,
        seen: Seen | None,
        withheld: Withheld | None,
    ) -> None:
        self._corpus, self._tokenizer, self._request = corpus, tokenizer, request
        self._cancelled, self._seen = cancelled, seen
        self._withheld = withheld
        self._met: tuple[dict[str, Any], ...] = ()
        self._ids = as_token_ids(request.token_ids)
        self._timing_ms = {"match": 0.0, "documents": 0.0, "rank": 0.0, "total": 0.0}
        self._began = self._last = time.perf_counter()

    def run(self) -> Trace:
        """Match, choose and count spans; sample, score and describe documents."""
        text, layout = self._lay_out()
        query, documents = self._corpus.query(self._ids), list[TracedDocument]()
        with self._corpus.reading():
            maximal = self._match(query)
            spans = self._count(query, layout, self._choose(layout, maximal))
            self._clock("match")
            if not self._request.raw:
                matches = self._sample(spans)
                self._clock("documents")
                scored = self._score(spans, matches)
                self._clock("rank")
                spans = link_spans(spans, scored)
                documents = self._describe(scored)
        coverage = measure_coverage(spans, maximal, self._ids.size, self._request.min_tokens)
        self._clock("documents")
        self._timing_ms["total"] = 1e3 * (self._last - self._began)
        return Trace(
            text=text,
            token_ids=tuple(self._ids.tolist()),
            stores=self._corpus.stores,
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

    def _match(self, query: Query) -> list[Piece]:
        """All maximal spans."""
        return maximal_spans(self._corpus.longest_matches(query, self._cancelled))

    def _choose(self, layout: TextLayout, maximal: list[Piece]) -> list[Piece]:
        """The pieces to show: whole words within sentences, the rarest; all maximal spans if raw."""
        if self._request.raw:
            return maximal
        found = candidates(layout, maximal, self._request.min_tokens)
        return rarest(found, self._sums, kept(self._request, self._ids.size))

    def _count(self, query: Query, layout: TextLayout, pieces: list[Piece]) -> list[Span]:
        """The spans of these pieces, with their counts by stage."""
        return build_spans(self._corpus, query, layout, pieces, self._sums, self._request.raw)

    def _sample(self, spans: list[Span]) -> list[Match]:
        """Some occurrences of each span in documents that may be shown, drawn by the seed, one a document."""
        request = self._request
        screen = Screen(self._corpus, spans, request.wanted, self._withheld, lambda: self._relevance)
        matches = draw_matches(self._corpus, spans, request.max_documents, request.seed, screen)
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

    def _describe(self, scored: list[ScoredDocument]) -> list[TracedDocument]:
        """The documents as they are shown."""
        return [describe(self._corpus, self._tokenizer, document, self._seen) for document in watched(scored)]

    def _clock(self, phase: str) -> None:
        """Add the time since the last call to `phase`; a good place to stop, too."""
        now = time.perf_counter()
        self._timing_ms[phase] += 1e3 * (now - self._last)
        self._last = now
        stop_if_cancelled()


__all__ = ["LiveTrace", "Trace", "TraceRequest", "Tracer"]
