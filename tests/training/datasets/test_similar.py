"""Rows that are similar to earlier ones: found as a comparison of all pairs finds them, at a bounded cost."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.core.datasets import similar
from training.core.datasets.repeats import Repeats
from training.core.datasets.similar import ALIKE, RUN_WORDS, SHORTEST_WORDS, Similar, jaccard, runs_of

WORDS = [f"word{number}" for number in range(500)]


def text_of(rng: random.Random, words: int) -> list[str]:
    return rng.choices(WORDS, k=words)


def changed(rng: random.Random, words: list[str], number: int) -> list[str]:
    """The words, so many of them others."""
    copy = list(words)
    for place in rng.sample(range(len(copy)), number):
        copy[place] = f"other{rng.randrange(10**6)}"
    return copy


def runs(words: list[str]) -> set[tuple[str, ...]]:
    return {tuple(words[place : place + RUN_WORDS]) for place in range(len(words) - RUN_WORDS + 1)}


def alike(a: list[str], b: list[str]) -> float:
    return len(runs(a) & runs(b)) / len(runs(a) | runs(b))


@given(st.integers(0, 2**31), st.integers(SHORTEST_WORDS, 120), st.integers(0, 8))
def test_the_share_in_common_is_that_of_the_runs_spelt_out(seed: int, words: int, number: int) -> None:
    rng = random.Random(seed)
    first = text_of(rng, words)
    second = changed(rng, first, min(number, words))
    assert jaccard(runs_of(first), runs_of(second)) == pytest.approx(alike(first, second), abs=1e-6)


def test_a_row_that_differs_in_a_few_words_is_found_and_other_rows_are_not() -> None:
    rng, seen = random.Random(3), Similar()
    firsts = [text_of(rng, 120) for _ in range(40)]
    for line, words in enumerate(firsts, 1):
        assert seen.add(line, " ".join(words)) == 0
    for line, words in enumerate(firsts, 1):
        nearly = [*words[:-1], "other"]
        assert alike(words, nearly) > 0.98
        assert seen.add(100 + line, " ".join(nearly)) == line
        apart = changed(rng, words, 12)
        assert alike(words, apart) < ALIKE
        assert seen.add(200 + line, " ".join(apart)) == 0
    assert seen.found == len(firsts)


def test_equal_rows_and_short_rows_are_no_similar_ones() -> None:
    seen = Similar()
    long, short = " ".join(WORDS[:50]), "What is 12 + 7 and what comes after that?"
    assert [seen.add(line, text) for line, text in enumerate([long, long, short, short], 1)] == [0] * 4
    nearly = f"{long} more"
    assert [seen.add(line, nearly) for line in (5, 6)] == [1, 0], "the second repeats the first"


def test_a_row_is_similar_to_the_first_and_counted_once() -> None:
    seen = Similar()
    lines = [seen.add(line, " ".join([*WORDS[:100], f"end{line}"])) for line in range(1, 5)]
    assert lines == [0, 1, 1, 1]
    assert seen.found == 3


def test_so_many_rows_are_compared_and_the_report_says_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(similar, "ROWS_LOOKED_AT", 2)
    repeats = Repeats()
    for line in range(1, 5):
        repeats.add(line, [" ".join([*WORDS[:100], f"end{line}"])])
    found = repeats.result()
    assert (found.similar, found.similar_listed, found.compared) == (1, [[2, 1]], 2)
    assert (found.exact, found.near) == (0, 0)
