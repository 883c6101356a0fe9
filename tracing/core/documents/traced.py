"""The documents behind the spans of a trace: sampled, scored, and shown by a snippet."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tracing.core.documents.relevance import WINDOW_TOKENS, Relevance, best_tier
from tracing.core.documents.sampling import Match
from tracing.core.documents.snippets import MARGIN_TOKENS, Snippet, cut_snippet
from tracing.core.matching.corpus import Corpus
from tracing.core.matching.spans import Span
from tracing.core.stores.store import TokenStore
from tracing.core.text.tokenizer import TextTokenizer

Seen = Callable[[str, int], Mapping[str, Any] | None]
"""When the model saw a document, by store name and document number; None where that is not known."""

SHOWN_FIELDS = ("id", "corpus", "stage", "source", "url", "title", "licence")


@dataclass(frozen=True)
class TracedDocument:
    """A document that holds spans of the text: where it is, what it says of itself, and where it matches.

    `store` and `document` (its number) name it for `read_document`.
    """

    store: str
    document: int
    metadata: Mapping[str, Any]
    snippet: Snippet
    score: float
    relevance: str
    seen: Mapping[str, Any] | None

    def to_json(self) -> dict[str, Any]:
        fields = {name: self.metadata.get(name) for name in SHOWN_FIELDS}
        shown = {"snippet": self.snippet.text, "matches": [list(match) for match in self.snippet.matches]}
        place = {"store": self.store, "document": self.document}
        return {**fields, **shown, "relevance": self.relevance, "seen": self.seen, **place}


@dataclass
class ScoredDocument:
    """A document's matches, and its BM25 score and tier: those of its best window."""

    row: int
    number: int
    matches: list[Match]
    score: float = 0.0
    relevance: str = "low"


def score_documents(
    corpus: Corpus, spans: Sequence[Span], matches: Sequence[Match], relevance: Relevance
) -> list[ScoredDocument]:
    """The documents that the matches lie in, the most relevant first."""
    found: dict[tuple[int, int], ScoredDocument] = {}
    for row in sorted({match.row for match in matches}):
        inside = [match for match in matches if match.row == row]
        width = corpus.shards[row][2].kind.width_bytes
        scores = relevance.scores(row, _windows(inside, spans, width))
        for match, score in zip(inside, scores.tolist(), strict=True):
            scored = found.setdefault((row, match.document), ScoredDocument(row, match.document, []))
            scored.matches.append(match)
            scored.score = max(scored.score, score)
    for scored in found.values():
        scored.relevance = relevance.tier(scored.score)
    return sorted(found.values(), key=lambda scored: (-scored.score, scored.row, scored.number))


def link_spans(spans: Sequence[Span], documents: Sequence[ScoredDocument]) -> list[Span]:
    """The spans, each with the numbers of its documents and the best of their tiers."""
    numbers: list[list[int]] = [[] for _ in spans]
    for number, document in enumerate(documents):
        for span in sorted({match.span for match in document.matches}):
            numbers[span].append(number)
    best = [best_tier([documents[n].relevance for n in mine]) for mine in numbers]
    return [
        replace(span, documents=tuple(mine), relevance=tier)
        for span, mine, tier in zip(spans, numbers, best, strict=True)
    ]


def describe(
    corpus: Corpus,
    tokenizer: TextTokenizer,
    spans: Sequence[Span],
    scored: ScoredDocument,
    seen: Seen | None,
) -> TracedDocument:
    """The document as it is shown: decoded around its matches only."""
    store, _, shard = corpus.shards[scored.row]
    width, (start, stop) = shard.kind.width_bytes, (scored.matches[0].start, scored.matches[0].stop)
    tokens = shard.tokenized.data[start:stop].view(shard.kind.numpy)
    places = [((m.position - start) // width, spans[m.span]) for m in scored.matches]
    ranges = [(first, first + span.token_end - span.token_start) for first, span in places]
    return TracedDocument(
        store=store.manifest.name,
        document=scored.number,
        metadata={**_defaults(store), **store.metadata(scored.number)},
        snippet=cut_snippet(tokens, ranges, tokenizer),
        score=scored.score,
        relevance=scored.relevance,
        seen=seen(store.manifest.name, scored.number) if seen else None,
    )


def _defaults(store: TokenStore) -> dict[str, Any]:
    """What the store says of documents whose own metadata do not."""
    manifest = store.manifest
    return {
        "corpus": manifest.name,
        "stage": manifest.stage,
        "source": manifest.source,
        "licence": manifest.licence,
    }


def _windows(matches: Sequence[Match], spans: Sequence[Span], width: int) -> NDArray[np.int64]:
    """Bytes (start, stop) of up to 512 tokens around each match, the match in the middle."""
    lengths = np.array([spans[m.span].token_end - spans[m.span].token_start for m in matches])
    positions, starts, stops = np.array([(m.position, m.start, m.stop) for m in matches]).T
    before = np.maximum(MARGIN_TOKENS, (WINDOW_TOKENS - lengths) // 2)
    first = np.maximum(starts, positions - before * width)
    last = np.minimum(stops, positions + (WINDOW_TOKENS - before) * width)
    return np.stack([first, last], axis=1)
