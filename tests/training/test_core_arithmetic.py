"""Arithmetic lessons are right, and what is held out occurs nowhere."""

import random
import re
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.training.core_jobs import PREPARE
from training.core import arithmetic
from training.core.arithmetic import Problem, Range, answer_of, draw, is_well_formed_thought, steps
from training.core.bounds import build
from training.core.corpus import Corpus
from training.core.library import Library
from training.core.popular import choose_entries
from training.core.recipe import PrepareRecipe

SUMS = [Problem(a, b, "+") for a, b in product(range(100), repeat=2)]
DIFFERENCES = [Problem(a, b, "-") for a, b in product(range(100), repeat=2) if a >= b]
ASKED = (
    (re.compile(r"\b(\d\d) ([+-]) (\d\d)(?=[:?]| = )"), None),
    (re.compile(r"has (\d\d) \w+ and gets (\d\d) more"), "+"),
    (re.compile(r"has (\d\d) \w+ and gives away (\d\d)\."), "-"),
)


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    numbers = {"lessons": 1500, "exercises": 1500, "think_examples": 1500, "instruct_arithmetic": 0.97}
    recipe = build(PrepareRecipe, {**PREPARE, **numbers}, "prepare")
    library = Library(modules=["textwrap"])
    return Corpus(library, choose_entries(library, 4), recipe)


def test_worked_steps_are_true_equations_and_end_in_the_result() -> None:
    for problem in SUMS + DIFFERENCES:
        text = steps(problem)
        for left, right in re.findall(r"(\d+(?: [+-] \d+)+) = (\d+)", text):
            assert eval(left) == int(right), text
        assert text.endswith(f"so {problem.result}.")


def test_answers_are_read_back_from_what_was_written() -> None:
    for problem in SUMS:
        assert (
            answer_of(arithmetic.thought(problem)) == answer_of(arithmetic.worked(problem)) == problem.result
        )
        assert answer_of(arithmetic.worked(problem, restated=True)) == problem.result
        assert is_well_formed_thought(arithmetic.thought(problem))


@pytest.mark.parametrize(
    "text",
    [
        "The answer is 5.",
        "<think>ones: 2 + 3 = 5.The answer is 5.",
        "<think>a</think><think>b</think>The answer is 5.",
        "<think>a</think>",
        "so 5.</think>The answer is 5.",
        "<think>a</think>The answer is 5. And more",
    ],
)
def test_other_texts_are_not_well_formed_thoughts(text: str) -> None:
    assert not is_well_formed_thought(text)


def test_a_tenth_of_the_problems_is_held_out_and_swapping_the_numbers_does_not_free_one() -> None:
    held = sum(problem.held_out for problem in SUMS) / len(SUMS)
    assert 0.08 < held < 0.12
    for problem in SUMS:
        assert problem.held_out == Problem(problem.b, problem.a, "+").held_out


@given(st.integers(), st.booleans())
def test_a_problem_is_drawn_from_the_side_of_the_split_that_was_asked_for(seed: int, held_out: bool) -> None:
    problem = draw(random.Random(seed), Range(10, 99), held_out=held_out)
    assert problem.held_out is held_out
    assert problem.result >= 0
    assert {problem.a, problem.b} <= set(range(10, 100))


@pytest.mark.parametrize("stage", ["pretrain", "midtrain", "think-sft", "instruct-sft"])
def test_no_stage_contains_a_held_out_problem(corpus: Corpus, stage: str) -> None:
    found: set[Problem] = set()
    for document in corpus.documents(stage):
        if document.metadata["corpus"] == arithmetic.CORPUS:
            found.update(problems_in(document.text))
    assert len(found) > 300
    assert not {problem for problem in found if problem.held_out}


def problems_in(text: str) -> set[Problem]:
    """Every two-digit problem that a text poses, with or without its answer."""
    found: set[Problem] = set()
    for pattern, operator in ASKED:
        for groups in pattern.findall(text):
            first, second = int(groups[0]), int(groups[-1])
            found.add(Problem(first, second, operator or groups[1]))
    return found


def test_the_corpus_is_the_same_for_the_same_seed_and_another_for_another(corpus: Corpus) -> None:
    texts = [document.text for document in corpus.documents("think-sft")]
    assert texts == [document.text for document in corpus.documents("think-sft")]
    other = Corpus(corpus._library, corpus._entries, build(PrepareRecipe, {**PREPARE, "seed": 8}, "prepare"))
    assert texts[:60] != [document.text for document in other.documents("think-sft")][:60]
