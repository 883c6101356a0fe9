"""BM25 of document windows against prompt and answer, on token ids, and the tiers it is shown as.

Computed on ids because stores, prompts and answers already are ids: a whole trace scores its few
hundred windows in well under a millisecond, where a BM25 library would first tokenise text and build
an index of documents that are thrown away afterwards.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from tracing.core.matching import kernels
from tracing.core.matching.corpus import Corpus
from tracing.core.stores.unigrams import counts_of

WINDOW_TOKENS: Final = 512
SATURATION: Final = 1.5  # k1 and b as in rank_bm25's BM25Okapi and infinigram-api
LENGTH_SHARE: Final = 0.75
TERM_LIMIT: Final = 1 << 22  # no vocabulary is as large: higher ids do not count
TIERS: Final = ("high", "medium", "low")
HIGH, MEDIUM = 0.7, 0.5


class Relevance:
    """Scores windows of `corpus` against the ids of prompt and answer together.

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
        self._corpus = corpus
        tokens = sum(store.tokens for store in corpus.stores)
        documents = sum(store.documents for store in corpus.stores)
        prompt_ids, answer_ids = prompt_ids[prompt_ids < TERM_LIMIT], answer_ids[answer_ids < TERM_LIMIT]
        terms, counts = np.unique(np.concatenate([prompt_ids, answer_ids]), return_counts=True)
        windows = max(documents, tokens / WINDOW_TOKENS, 1.0)
        self._weights = counts * _rarity(counts_of(corpus.unigrams, terms), windows)
        self._mean_length = float(min(WINDOW_TOKENS, max(1.0, tokens / max(documents, 1))))
        self._slots = np.full(int(terms.max(initial=-1)) + 1, -1, dtype=np.int32)
        self._slots[terms] = np.arange(terms.size)
        self.ideal = self._ideal(answer_ids[:WINDOW_TOKENS])

    def scores(self, row: int, windows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Score of each window, (start, stop) bytes of tokenized.N in the corpus's shard `row`."""
        _, _, shard = self._corpus.shards[row]
        data, width = shard.tokenized, shard.kind.width_bytes
        scores = np.zeros(len(windows))
        options = (SATURATION, LENGTH_SHARE, self._mean_length)
        terms = (self._slots, self._weights)
        windows = np.ascontiguousarray(windows)
        kernels.score_windows(data.data, data.state, width, windows, *terms, *options, scores)
        return scores

    def tier(self, score: float) -> str:
        """ "high", "medium" or "low"."""
        share = score / self.ideal if self.ideal else 0.0
        return "high" if share >= HIGH else "medium" if share >= MEDIUM else "low"

    def _ideal(self, answer_ids: NDArray[np.int64]) -> float:
        terms, counts = np.unique(answer_ids, return_counts=True)
        length = max(answer_ids.size, self._mean_length)
        slack = SATURATION * (1 - LENGTH_SHARE + LENGTH_SHARE * length / self._mean_length)
        gains = counts * (SATURATION + 1) / (counts + slack)
        return float((self._weights[self._slots[terms]] * gains).sum())


def best_tier(tiers: list[str]) -> str:
    """The best of some tiers, "low" of none."""
    return min(tiers, key=TIERS.index, default="low")


def _rarity(counts: NDArray[np.int64], windows: float) -> NDArray[np.float64]:
    """Inverse document frequency of tokens that occur so often in so many windows."""
    frequency = windows * -np.expm1(-counts / windows)
    rarity: NDArray[np.float64] = np.log1p((windows - frequency + 0.5) / (frequency + 0.5))
    return rarity
