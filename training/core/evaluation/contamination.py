"""How much of a task a checkpoint may have read: its questions looked for in the checkpoint's own stores.

The rule of Olmo 3's post-training decontamination (arXiv 2512.13961, section 4): n-grams of 8 tokens, and an
item counts as found where one document's matches cover at least half of it. Beside it, the items that occur
whole. Both by token ids, so a question that is cut into other tokens where it follows other text is missed.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tracing.core.errors import InputError
from tracing.core.matching.corpus import Corpus
from tracing.core.matching.query import Query
from tracing.core.trace import Tracer
from training.core.evaluation.items import Item

NGRAM = 8
OVERLAP = 0.5
LISTED = 2048
"""Occurrences of an n-gram that are looked at in a shard."""

Longs = NDArray[np.int64]


@dataclass(frozen=True)
class Finding:
    """An item that occurs."""

    line: int
    question: str
    exact: bool
    overlap: float
    """Share of its tokens that the n-grams it has in common with `document` cover."""
    store: str
    document: int
    stage: str
    token_ids: tuple[int, ...]
    """The longest run of the question that the document holds."""


@dataclass(frozen=True)
class Contamination:
    """What was found of a task's items."""

    items: int
    findings: tuple[Finding, ...] = ()
    exact_by_stage: dict[str, int] = field(default_factory=dict)
    """Items that occur whole, by the stages whose data holds them; one may be in several."""
    found_by_stage: dict[str, int] = field(default_factory=dict)
    """Items found by n-grams, by the stage of the document that holds most of them."""
    partly_listed: bool = False
    """Some n-gram occurs so often that not every document was looked at: `found` may be too low."""

    @property
    def found(self) -> int:
        return len(self.findings)

    @property
    def exact(self) -> int:
        return sum(finding.exact for finding in self.findings)


def find_items(
    tracer: Tracer, items: Sequence[Item], progress: Callable[[int, int], None] | None = None
) -> Contamination:
    """Looks for every item's question. Raises StoreError, or InputError for ids that no store can hold."""
    corpus, findings = tracer.corpus(), list[Finding]()
    whole, partly = list[str](), False
    for done, item in enumerate(items, 1):
        searches = [Search(corpus, tracer.tokenizer.encode(text)[0]) for text in item.texts]
        found = [finding for search in searches if (finding := search.finding(item))]
        findings += sorted(found, key=lambda finding: finding.overlap)[-1:]
        whole += {stage for search in searches for stage in search.exact_stages}
        partly = partly or any(search.partly_listed for search in searches)
        if progress is not None:
            progress(done, len(items))
    stages = dict.fromkeys(row.store.manifest.stage for row in corpus.rows)
    held = counted([finding.stage for finding in findings], stages)
    return Contamination(len(items), tuple(findings), counted(whole, stages), held, partly)


def counted(stages: Sequence[str], order: Iterable[str]) -> dict[str, int]:
    """How often each stage is named, in this order; those never named left out."""
    return {stage: stages.count(stage) for stage in order if stage in stages}


class Search:
    """One question looked for."""

    def __init__(self, corpus: Corpus, token_ids: Sequence[int]) -> None:
        self._corpus, self._ids = corpus, list(token_ids)
        self._size = min(NGRAM, len(self._ids))
        self.exact_stages: list[str] = []
        self.partly_listed = False

    def finding(self, item: Item) -> Finding | None:
        """The document that holds most of the question, if it holds enough; one that holds it whole first."""
        if not self._ids:
            return None
        try:
            query = self._corpus.query(self._ids)
        except InputError:  # an id that no store can hold cannot be in one
            return None
        with self._corpus.reading():
            lengths = self._corpus.longest_matches(query)
            if int(lengths[0]) == len(self._ids):
                return self._whole(item, query)
            starts = np.flatnonzero(lengths >= self._size)
            if not starts.size or covered(starts, self._size) < OVERLAP * len(self._ids):
                return None
            return self._best(item, query, starts)

    def _whole(self, item: Item, query: Query) -> Finding:
        ranges = self._corpus.find(query, np.array([0]), np.array([len(self._ids)]))
        self.exact_stages = list(self._corpus.counts_by_stage(ranges.counts[:, 0]))
        row = int(np.flatnonzero(ranges.counts[:, 0])[0])
        places = self._corpus.locate(np.array([row]), ranges.lows[row, :1].copy())
        return self._made(item, row, int(places[0, 1]), 1.0, range(len(self._ids)))

    def _best(self, item: Item, query: Query, starts: Longs) -> Finding | None:
        """The document whose own n-grams cover most."""
        windows = self._windows(query, starts)
        if not windows:
            return None
        share = {key: covered(np.array(found), self._size) for key, found in windows.items()}
        row, document = key = max(share, key=lambda key: (share[key], -key[0], -key[1]))
        overlap = share[key] / len(self._ids)
        if overlap < OVERLAP:
            return None
        return self._made(item, row, document, overlap, longest_run(windows[key], self._size))

    def _windows(self, query: Query, starts: Longs) -> dict[tuple[int, int], list[int]]:
        """Which n-grams, by their starts in ascending order, each (row, document) holds."""
        ranges = self._corpus.find(query, starts, starts + self._size)
        held: dict[tuple[int, int], list[int]] = {}
        for number, start in enumerate(starts.tolist()):
            for row, count in enumerate(ranges.counts[:, number].tolist()):
                self.partly_listed = self.partly_listed or count > LISTED
                ranks = ranges.lows[row, number] + np.arange(min(count, LISTED))
                if count:
                    places = self._corpus.locate(np.full(ranks.size, row), ranks)
                    for document in np.unique(places[:, 1]).tolist():
                        held.setdefault((row, document), []).append(start)
        return held

    def _made(self, item: Item, row: int, document: int, overlap: float, run: range) -> Finding:
        store, number = self._corpus.origin(row, document)
        return Finding(
            line=item.line,
            question=item.question,
            exact=len(run) == len(self._ids),
            overlap=overlap,
            store=store.manifest.name,
            document=number,
            stage=store.manifest.stage,
            token_ids=tuple(self._ids[run.start : run.stop]),
        )


def covered(starts: Longs, size: int) -> int:
    """How many tokens n-grams of `size` tokens cover together; `starts` ascending."""
    return int(size + np.minimum(np.diff(starts), size).sum())


def longest_run(starts: Sequence[int], size: int) -> range:
    """The longest run of tokens of which every n-gram starts at one of `starts`, ascending."""
    best, begin = range(starts[0], starts[0] + size), starts[0]
    for before, start in zip(starts, [*starts[1:], None], strict=True):
        if start != before + 1:
            if before + size - begin > len(best):
                best = range(begin, before + size)
            begin = start if start is not None else begin
    return best


def to_json(found: Contamination, *, listed: int = 100) -> dict[str, Any]:
    """For the database: the counts, and the first `listed` findings."""
    return {
        "items": found.items,
        "found": found.found,
        "exact": found.exact,
        "exact_by_stage": found.exact_by_stage,
        "found_by_stage": found.found_by_stage,
        "partly_listed": found.partly_listed,
        "findings": [
            vars(finding) | {"token_ids": list(finding.token_ids)} for finding in found.findings[:listed]
        ],
    }
