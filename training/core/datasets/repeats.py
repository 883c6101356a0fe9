"""Rows that repeat earlier ones, found with 20 bytes a row in memory; and, among the first of them, rows that
are similar to an earlier one."""

import unicodedata
from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import xxhash
from numpy.typing import NDArray

from training.core.datasets.similar import Similar

LISTED = 50
SEPARATOR = "\0"
"""Between the texts of a row; none of them holds it."""


@dataclass(frozen=True)
class Repeated:
    """What was found: rows that are as an earlier one to the letter, and those that differ from one only in
    case, white space and forms of the same characters; `[line, line of the first]` of some."""

    exact: int
    near: int
    listed: list[list[int]]
    similar: int = 0
    """Rows that have most of their words in common with an earlier one, and are no repeat of any."""
    similar_listed: list[list[int]] = field(default_factory=list)
    compared: int = 0
    """Rows after which similar ones were no longer looked for; 0: all were."""

    def to_json(self) -> dict[str, Any]:
        return vars(self)


@dataclass
class Repeats:
    """Digests of the rows so far. A collision of 64 bits among two million is one chance in ten million."""

    _lines: "array[int]" = field(default_factory=lambda: array("I"))
    _exact: "array[int]" = field(default_factory=lambda: array("Q"))
    _near: "array[int]" = field(default_factory=lambda: array("Q"))
    _similar: Similar = field(default_factory=Similar)
    _similar_listed: list[list[int]] = field(default_factory=list)

    def add(self, line: int, texts: Iterable[str]) -> None:
        text = SEPARATOR.join(texts)
        self._lines.append(line)
        self._exact.append(xxhash.xxh3_64_intdigest(text.encode()))
        even = normalised(text)
        self._near.append(xxhash.xxh3_64_intdigest(even.encode()))
        like = self._similar.add(line, even)
        if like and len(self._similar_listed) < LISTED:
            self._similar_listed.append([line, like])

    def result(self) -> Repeated:
        exact = first_of_same(self._exact)
        near = first_of_same(self._near)
        rows = np.arange(len(near))
        repeated = np.flatnonzero(near != rows)
        lines = np.frombuffer(self._lines, dtype=np.uint32) if len(self._lines) else np.empty(0, np.uint32)
        listed = [[int(lines[row]), int(lines[near[row]])] for row in repeated[:LISTED]]
        same = int((exact != rows).sum())
        looked = self._similar
        return Repeated(
            same, len(repeated) - same, listed, looked.found, self._similar_listed, looked.stopped_at
        )


def first_of_same(digests: "array[int]") -> NDArray[np.int64]:
    """For each row the number of the first with the same digest; shape [rows]."""
    if not len(digests):
        return np.empty(0, np.int64)
    _, first, group = np.unique(
        np.frombuffer(digests, dtype=np.uint64), return_index=True, return_inverse=True
    )
    return np.asarray(first[group], dtype=np.int64)


def normalised(text: str) -> str:
    """Without differences of case, white space and form. Digits, signs and punctuation stay: "12 + 7" and
    "12 - 7" are two questions."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())
