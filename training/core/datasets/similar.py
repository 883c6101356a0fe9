"""Rows that say almost what an earlier one says: runs of five words compared by MinHash, then in full.

The figures are those of Olmo 3's fuzzy deduplication (26 bands of 11 hashes, for a Jaccard similarity of
0.8). Of the rows that share a band only the first is compared with, so that a file whose rows are all alike
costs no more than another; datasketch's own LSH would compare each row with all before it.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
import xxhash
from numpy.typing import NDArray

RUN_WORDS = 5
BANDS, BAND_HASHES = 26, 11
ALIKE = 0.8
"""Of the runs of both, the share that both have, from which on a row counts as similar."""
ROWS_LOOKED_AT, RUNS_LOOKED_AT = 20_000, 4_000_000
"""So many rows, or runs of words, are compared: a few seconds and some hundred MiB, however long the file."""
SHORTEST_WORDS = 13
"""Of fewer words no two rows can differ and be as alike."""


@dataclass
class Similar:
    """The rows so far, as sets of hashed runs."""

    rows: int = 0
    """Rows that were given to compare, the short ones among them."""
    stopped_at: int = 0
    """Rows that were compared before the caps were reached; 0 where they were not."""
    found: int = 0
    _runs: list[NDArray[np.uint64]] = field(default_factory=list)
    _lines: list[int] = field(default_factory=list)
    _bands: dict[int, int] = field(default_factory=dict)
    _texts: set[int] = field(default_factory=set)
    _total: int = 0

    def add(self, line: int, text: str) -> int:
        """The line of an earlier row that this one, `text` with its white space made even, is similar to but
        not equal; 0 where there is none."""
        if self.stopped_at:
            return 0
        if self.rows >= ROWS_LOOKED_AT or self._total >= RUNS_LOOKED_AT:
            self.stopped_at = self.rows
            return 0
        self.rows += 1
        words, digest = text.split(" "), xxhash.xxh3_64_intdigest(text.encode())
        if len(words) < SHORTEST_WORDS or digest in self._texts:
            return 0
        self._texts.add(digest)
        runs = runs_of(words)
        keys = bands_of(runs)
        earlier = dict.fromkeys(row for key in keys if (row := self._bands.get(key)) is not None)
        self._remember(line, runs, keys)
        like = next((row for row in earlier if jaccard(self._runs[row], runs) >= ALIKE), None)
        self.found += like is not None
        return 0 if like is None else self._lines[like]

    def _remember(self, line: int, runs: NDArray[np.uint64], keys: Iterable[int]) -> None:
        row = len(self._lines)
        self._lines.append(line)
        self._runs.append(runs)
        self._total += len(runs)
        for key in keys:
            self._bands.setdefault(key, row)


def runs_of(words: list[str]) -> NDArray[np.uint64]:
    """The different runs of RUN_WORDS words, hashed to 32 bits, ascending."""
    runs = (" ".join(words[start : start + RUN_WORDS]) for start in range(len(words) - RUN_WORDS + 1))
    return np.unique(np.fromiter((xxhash.xxh32_intdigest(run.encode()) for run in runs), np.uint64))


def bands_of(runs: NDArray[np.uint64]) -> list[int]:
    """A key for each band of the row's MinHash."""
    sketch = empty_sketch().copy()
    sketch.update_batch(runs)
    bands = sketch.hashvalues.reshape(BANDS, BAND_HASHES)
    return [xxhash.xxh3_64_intdigest(band.tobytes(), seed=number) for number, band in enumerate(bands)]


@cache
def empty_sketch() -> Any:
    """A MinHash of nothing, to be copied: its permutations are drawn once."""
    from datasketch import MinHash  # scipy comes with it, which only checks need

    return MinHash(num_perm=BANDS * BAND_HASHES, seed=1, hashfunc=int)


def jaccard(a: NDArray[np.uint64], b: NDArray[np.uint64]) -> float:
    """The share of the runs of both that both have."""
    both = len(np.intersect1d(a, b, assume_unique=True))
    return both / (len(a) + len(b) - both)
