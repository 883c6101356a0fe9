"""Pairs for DPO: sums that a stronger checkpoint got right and a weaker one wrong, in their own words."""

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tokenizers import Tokenizer

from training.core import arithmetic
from training.core.arithmetic import Problem, Range, answer_of, draw, question
from training.core.chat import Turn, prompt_chatml, render_chatml
from training.core.corpus import Document
from training.core.evaluation.exam import LONGEST_WORKING
from training.core.generation import generate

CORPUS = "headwater-arithmetic-pairs"


@dataclass(frozen=True)
class Asked:
    """A sum, as it was put to both models."""

    problem: Problem
    question: str


@dataclass(frozen=True)
class Pair:
    """A question with the answer to prefer and the one to avoid."""

    question: str
    chosen: str
    rejected: str


def draw_questions(seed: int, numbers: Range, count: int, *, held_out: bool) -> list[Asked]:
    """Sums from one side of the split, put as people would."""
    rng = random.Random(f"{seed} pairs {held_out}")
    problems = (draw(rng, numbers, held_out=held_out) for _ in range(count))
    return [Asked(problem, question(rng, problem)) for problem in problems]


def sampled_answers(model: Any, tokenizer: Tokenizer, asked: Sequence[Asked], seed: int) -> list[str]:
    """The model's answers at temperature 1."""
    prompts = [prompt_chatml([Turn("user", item.question)]) for item in asked]
    return generate(model, tokenizer, prompts, longest=LONGEST_WORKING, sampled=True, seed=seed)


def make_pairs(
    asked: Sequence[Asked],
    strong: Sequence[str],
    weak: Sequence[str],
    tokenizer: Tokenizer,
    longest_difference: int = 0,
    *,
    shorter_by: int = 0,
) -> Iterator[Pair]:
    """A pair for each question that `strong` answered rightly and `weak` with a wrong number.

    An answer without a number is not rejected: the contrast would be one of form. With `longest_difference`,
    nor are pairs whose answers differ in length by more tokens; with `shorter_by`, nor those whose chosen
    answer is not shorter by as many.
    """
    for item, good, bad in zip(asked, strong, weak, strict=True):
        said = answer_of(bad)
        if answer_of(good) != item.problem.result or said is None or said == item.problem.result:
            continue
        excess = token_difference(tokenizer, good, bad)
        if (longest_difference and abs(excess) > longest_difference) or (shorter_by and excess > -shorter_by):
            continue
        yield Pair(item.question, good, bad)


def token_difference(tokenizer: Tokenizer, first: str, second: str) -> int:
    """By how many tokens the first text is the longer one."""
    longer, shorter = (len(encoding.ids) for encoding in tokenizer.encode_batch([first, second]))
    return longer - shorter


def pair_documents(pairs: Iterable[Pair], strong: str, weak: str) -> Iterator[Document]:
    """Two conversations a pair, the chosen one first; `strong` and `weak` name whose answers they are."""
    for number, pair in enumerate(pairs):
        for preference, answer, model in (("chosen", pair.chosen, strong), ("rejected", pair.rejected, weak)):
            rendered = render_chatml([Turn("user", pair.question), Turn("assistant", answer)])
            yield Document(rendered.text, _metadata(pair, number, preference, model), preference, rendered)


def _metadata(pair: Pair, number: int, preference: str, model: str) -> dict[str, Any]:
    shared = {"corpus": CORPUS, "source": f"answers of {model}", "licence": arithmetic.LICENCE}
    return {**shared, "url": "", "title": pair.question, "pair": number, "preference": preference}
