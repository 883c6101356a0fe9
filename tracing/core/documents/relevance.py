"""BM25 of document windows against prompt and answer, on token ids, and the tiers it is shown as.

Computed on ids because stores, prompts and answers already are ids: a whole trace scores its few
hundred windows in well under a millisecond, where a BM25 library would first tokenise text and build
an index of documents that are thrown away afterwards.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from tracing.core.documents.windows import WINDOW_TOKENS
from tracing.core.engines.engine import Terms
from tracing.core.engines.local import LENGTH_SHARE, SATURATION
from tracing.core.matching.corpus import Corpus
from tracing.core.stores.unigrams import counts_of

TERM_LIMIT: Final = 1 << 22  # no vocabulary is as large: higher ids do not count
TIERS: Final = ("high", "medium", "low")
HIGH, MEDIUM = 0.7, 0.5


class Relevance:
    """How documents of `corpus` are scored against the ids of prompt and answer together.

    The score is Okapi BM25, summed over the query's tokens, repeats counted. A token's document
    frequency is the number of windows of 512 tokens expected to hold it if its occurrences were
    spread at random (Poisson), since a suffix array knows occurrences, not documents.

    A tier is the score's share of an ideal one, that of a window of average length that holds the
    answer (its first 512 tokens) and nothing else of the query: "high" from 0.7, "medium" from 0.5,
    else "low" (OLMoTrace's shares; its ideal is estimated from the answer's length in characters).
    A document that holds all of the answer has 1, more if the prompt is in it too; one that shares a
    phrase and the commonplace tokens has little.
    """

    def __init__(self, corpus: Corpus, prompt_ids: NDArray[np.int64], answer_ids: NDArray[np.int64]) -> None:
        tokens = sum(store.manifest.tokens for store in corpus.stores)
        documents = sum(store.manifest.documents for store in corpus.stores)
        prompt_ids, answer_ids = prompt_ids[prompt_ids < TERM_LIMIT], answer_ids[answer_ids < TERM_LIMIT]
        ids, counts = np.unique(np.concatenate([prompt_ids, answer_ids]), return_counts=True)
        windows = max(documents, tokens / WINDOW_TOKENS, 1.0)
        weights = counts * _rarity(counts_of(corpus.unigrams, ids), windows)
        mean_length = float(min(WINDOW_TOKENS, max(1.0, tokens / max(documents, 1))))
        self.terms = Terms(ids, weights, mean_length)
        self.ideal = self._ideal(answer_ids[:WINDOW_TOKENS])

    def tier(self, score: float) -> str:
        """ "high", "medium" or "low"."""
        share = score / self.ideal if self.ideal else 0.0
        return "high" if share >= HIGH else "medium" if share >= MEDIUM else "low"

    def _ideal(self, answer_ids: NDArray[np.int64]) -> float:
        ids, counts = np.unique(answer_ids, return_counts=True)
        weights = self.terms.weights[np.searchsorted(self.terms.token_ids, ids)]
        mean_length = self.terms.mean_length
        length = max(answer_ids.size, mean_length)
        slack = SATURATION * (1 - LENGTH_SHARE + LENGTH_SHARE * length / mean_length)
        gains = counts * (SATURATION + 1) / (counts + slack)
        return float((weights * gains).sum())


def best_tier(tiers: list[str]) -> str:
    """The best of some tiers, "low" of none."""
    return min(tiers, key=TIERS.index, default="low")


def _rarity(counts: NDArray[np.int64], windows: float) -> NDArray[np.float64]:
    """Inverse document frequency of tokens that occur so often in so many windows."""
    frequency = windows * -np.expm1(-counts / windows)
    rarity: NDArray[np.float64] = np.log1p((windows - frequency + 0.5) / (frequency + 0.5))
    return rarity
