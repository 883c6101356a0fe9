"""Which of the documents drawn for a trace may be shown: not the withheld ones, and only what is wanted."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tracing.core.documents.filters import DocumentFilter
from tracing.core.documents.relevance import Relevance
from tracing.core.documents.sampling import Match
from tracing.core.documents.traced import described, place_of
from tracing.core.matching.corpus import Corpus
from tracing.core.matching.spans import Span

Withheld = Callable[[str, Sequence[int]], Mapping[int, str]]
"""Why documents of a store, by its name and their numbers, are withheld; the others are left out."""

Sample = Callable[[Sequence[Span], int, int], list[Match]]
"""Draws matches of spans in up to so many documents each, by a seed."""

REDRAWS = (4, 32)  # times as many documents are drawn for a span that lost some of its own
DOCUMENTS_MAX = 1000  # documents looked at for one span, however few of them may be shown


class Screen:
    """Lets through what may be shown of a trace's documents, and remembers the withheld ones that it met.

    `relevance` is only asked for where the filter asks for anything.
    """

    def __init__(
        self,
        corpus: Corpus,
        spans: Sequence[Span],
        wanted: DocumentFilter,
        withheld: Withheld | None,
        relevance: Callable[[], Relevance],
    ) -> None:
        self._corpus, self._spans, self._wanted = corpus, spans, wanted
        self._withheld, self._relevance = withheld, relevance
        self._reasons: dict[tuple[int, int], str] = {}

    def passed(self, matches: Sequence[Match]) -> list[Match]:
        """The matches whose documents may be shown, in order."""
        if self._withheld:
            self._find_withheld(matches, self._withheld)
        kept = [match for match in matches if (match.row, match.document) not in self._reasons]
        return kept if self._wanted == DocumentFilter() else self._wanted_among(kept)

    def counts(self) -> tuple[dict[str, Any], ...]:
        """`withheld` of the trace: how many documents were met and not shown, by reason."""
        met = {self._named(*place): why for place, why in self._reasons.items()}
        counts = Counter(met.values())
        return tuple({"reason": reason, "documents": counts[reason]} for reason in sorted(counts))

    def _find_withheld(self, matches: Sequence[Match], withheld: Withheld) -> None:
        places = sorted({(match.row, match.document) for match in matches})
        by_store: dict[str, dict[int, list[tuple[int, int]]]] = {}
        for place in places:
            name, number = self._named(*place)
            by_store.setdefault(name, {}).setdefault(number, []).append(place)
        for name, numbers in by_store.items():
            for number, reason in withheld(name, sorted(numbers)).items():
                self._reasons |= dict.fromkeys(numbers[number], reason)

    def _named(self, row: int, document: int) -> tuple[str, int]:
        """The document's store, by name, and its number there."""
        store, number = self._corpus.origin(row, document)
        return store.manifest.name, number

    def _wanted_among(self, matches: Sequence[Match]) -> list[Match]:
        """Those whose documents, and the windows around them, are as the filter wants them."""
        relevance, corpus = self._relevance(), self._corpus
        places = [place_of([match], self._spans) for match in matches]
        excerpts = corpus.read(places, relevance.terms)
        return [
            match
            for match, excerpt in zip(matches, excerpts, strict=True)
            if self._wanted.fits(described(corpus.origin(match.row, match.document)[0], excerpt.metadata))
            and relevance.tier(excerpt.score) in self._wanted.tiers
        ]


def draw_matches(
    sample: Sample, spans: Sequence[Span], documents: int, seed: int, screen: Screen
) -> list[Match]:
    """As `sample` draws them, of documents that `screen` lets through: those it stops cost no place.

    A span that lost documents draws more of them, two times at most, from up to 1000 documents.
    """
    drawn = sample(spans, documents, seed)
    kept = screen.passed(drawn)
    found = _by_span(kept, len(spans))
    lost = Counter(match.span for match in drawn)
    lost.subtract(Counter(match.span for match in kept))
    short = [number for number in range(len(spans)) if lost[number]]
    for factor in REDRAWS:
        wanted = min(factor * documents, max(DOCUMENTS_MAX, documents))
        short = [n for n in short if len(found[n]) < documents and spans[n].count > documents]
        if not short:
            break
        again = sample([spans[n] for n in short], wanted, seed + factor)
        renumbered = [match._replace(span=short[match.span]) for match in again]
        for number, matches in enumerate(_by_span(screen.passed(renumbered), len(spans))):
            found[number] = _joined(found[number], matches)[:documents]
    return [match for matches in found for match in matches]


def _by_span(matches: Sequence[Match], spans: int) -> list[list[Match]]:
    found: list[list[Match]] = [[] for _ in range(spans)]
    for match in matches:
        found[match.span].append(match)
    return found


def _joined(first: list[Match], second: list[Match]) -> list[Match]:
    """Both, the documents of the first not repeated."""
    known = {(match.row, match.document) for match in first}
    return [*first, *(match for match in second if (match.row, match.document) not in known)]
