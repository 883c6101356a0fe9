"""The documents behind the spans of a trace: sampled, scored, and shown by a snippet."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from tracing.core.cancelling import paced, watched
from tracing.core.documents.relevance import Relevance, best_tier
from tracing.core.documents.sampling import Match
from tracing.core.documents.snippets import Margins, Snippet, show_excerpts
from tracing.core.engines.engine import Excerpt, Place, Searched
from tracing.core.matching.corpus import Corpus
from tracing.core.matching.spans import Span
from tracing.core.text.tokenizer import TextTokenizer

Seen = Callable[[str, int, Mapping[str, Any]], Mapping[str, Any] | None]
"""When the model saw a document, by store name, document number and the document's own metadata; None where
that is not known."""

SHOWN_FIELDS = ("id", "corpus", "stage", "source", "url", "title", "licence")


class TracedDocument(NamedTuple):
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
        origin = {"origin": self.metadata["origin"]} if self.metadata.get("origin") else {}
        return {**fields, **origin, **shown, "relevance": self.relevance, "seen": self.seen, **place}


class ScoredDocument(NamedTuple):
    """A document's matches, what was read of it, and the tier of its BM25 score, that of its best window."""

    row: int
    number: int
    matches: tuple[Match, ...]
    excerpt: Excerpt
    relevance: str

    @property
    def score(self) -> float:
        return self.excerpt.score


def score_documents(
    corpus: Corpus, spans: Sequence[Span], matches: Sequence[Match], relevance: Relevance
) -> list[ScoredDocument]:
    """The documents that the matches lie in, read, the most relevant first."""
    found: dict[tuple[int, int], list[Match]] = {}
    for match in watched(matches):
        found.setdefault((match.row, match.document), []).append(match)
    excerpts = corpus.read([place_of(inside, spans) for inside in watched(found.values())], relevance.terms)
    scored = [
        ScoredDocument(row, number, tuple(inside), excerpt, relevance.tier(excerpt.score))
        for ((row, number), inside), excerpt in zip(found.items(), excerpts, strict=True)
    ]
    return sorted(scored, key=lambda scored: (-scored.score, scored.row, scored.number))


def place_of(matches: Sequence[Match], spans: Sequence[Span]) -> Place:
    """Where a document and its matches lie."""
    first, places = matches[0], [(match.position, _tokens_of(match, spans[match.span])) for match in matches]
    return Place(first.row, first.document, first.start, first.stop, tuple(places))


def _tokens_of(match: Match, span: Span) -> int:
    """How many tokens of the document hold the match."""
    return match.cover.tokens if match.cover else span.token_end - span.token_start


def link_spans(spans: Sequence[Span], documents: Sequence[ScoredDocument]) -> list[Span]:
    """The spans, each with the numbers of its documents and the best of their tiers."""
    numbers: list[list[int]] = [[] for _ in spans]
    for number, document in enumerate(watched(documents)):
        for span in sorted({match.span for match in document.matches}):
            numbers[span].append(number)
    best = [best_tier([documents[n].relevance for n in mine]) for mine in watched(numbers)]
    return [
        replace(span, documents=tuple(mine), relevance=tier)
        for span, mine, tier in zip(watched(spans), numbers, best, strict=True)
    ]


def describe(
    corpus: Corpus,
    tokenizer: TextTokenizer,
    spans: Sequence[Span],
    documents: Sequence[ScoredDocument],
    seen: Seen | None,
) -> list[TracedDocument]:
    """The documents as they are shown: decoded around their matches only."""
    snippets = list[Snippet]()
    for begin, end in paced(len(documents)):
        part = documents[begin:end]
        margins = [_margins(corpus, spans, scored) for scored in part]
        snippets += show_excerpts([scored.excerpt for scored in part], tokenizer, margins)
    return [
        _described(corpus, scored, snippet, seen)
        for scored, snippet in zip(watched(documents), snippets, strict=True)
    ]


def _described(corpus: Corpus, scored: ScoredDocument, snippet: Snippet, seen: Seen | None) -> TracedDocument:
    (store, number), metadata = corpus.origin(scored.row, scored.number), scored.excerpt.metadata
    name = store.manifest.name
    return TracedDocument(
        store=name,
        document=number,
        metadata=described(store, metadata),
        snippet=snippet,
        score=scored.score,
        relevance=scored.relevance,
        seen=seen(name, number, metadata) if seen else None,
    )


def _margins(corpus: Corpus, spans: Sequence[Span], scored: ScoredDocument) -> Margins:
    """The margins of matches that begin or end inside tokens of the document, by their tokens."""
    if not any(match.cover for match in scored.matches):
        return {}
    width = corpus.rows[scored.row].store.manifest.token_type.width_bytes
    margins: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for match in scored.matches:
        first = (match.position - match.start) // width
        places = margins.setdefault((first, first + _tokens_of(match, spans[match.span])), [])
        places.append((match.cover.before_bytes, match.cover.after_bytes) if match.cover else (0, 0))
    return {tokens: sorted(set(places)) for tokens, places in margins.items()}


def described(store: Searched, metadata: Mapping[str, Any]) -> dict[str, Any]:
    """A document's own metadata; where they are silent, what its store says of all documents."""
    manifest = store.manifest
    defaults = {
        "corpus": manifest.name,
        "stage": manifest.stage,
        "source": manifest.source,
        "licence": manifest.licence,
    }
    return {**defaults, **metadata}
