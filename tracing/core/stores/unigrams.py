"""How often each token id occurs: the content of unigram.N, added up over shards and stores."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

Unigrams = NDArray[np.int64]
"""Ids and counts by rising id, separators among them; shape [ids, 2]."""


def add_unigrams(parts: Iterable[Unigrams]) -> Unigrams:
    """The counts of all parts together."""
    pairs = np.concatenate(list(parts))
    ids, places = np.unique(pairs[:, 0], return_inverse=True)
    counts = np.zeros(ids.size, dtype=np.int64)
    np.add.at(counts, places, pairs[:, 1])
    return np.stack([ids, counts], axis=1)


def counts_of(unigrams: Unigrams, token_ids: NDArray[np.int64]) -> NDArray[np.int64]:
    """How often each id occurs, shape [tokens]."""
    places = np.minimum(np.searchsorted(unigrams[:, 0], token_ids), len(unigrams) - 1)
    return np.where(unigrams[places, 0] == token_ids, unigrams[places, 1], 0)
