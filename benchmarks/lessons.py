"""A store of the demo's own kind of text, and answers like those of its models: sums, worked over and over.

Templated data are the hard case of engines that list occurrences: a phrase of a lesson stands in the store
hundreds of thousands of times.
"""

import random
from pathlib import Path

import numpy as np

from benchmarks.corpora import Ids, open_or_train
from tracing.core.building.writer import StoreWriter
from tracing.core.stores.store import TokenStore
from tracing.core.text.tokenizer import TextTokenizer
from training.core.arithmetic import Problem, Range, draw, question, steps, thought

LESSON_PROBLEMS = (2, 5)
NUMBERS = Range()


def open_or_build(directory: Path, tokens: int, *, seed: int = 0) -> TokenStore:
    """The store of about `tokens` tokens in `directory`, with the tokenizer beside it; made if not there."""
    path, tokenizer = directory / f"lessons-{tokens}-{seed}", open_or_train(directory)
    if not path.exists():
        build(path, tokenizer, tokens, np.random.default_rng(seed))
    return TokenStore.open(path, tokenizer=tokenizer.digest)


def build(path: Path, tokenizer: TextTokenizer, tokens: int, rng: np.random.Generator) -> None:
    """Lessons of two to four problems, as in the demo's pretraining; published at `path`."""
    lines = [line(tokenizer, problem) for problem in every_problem()]
    described = {"source": "worked sums", "licence": "CC0-1.0", "stage": "pretrain"}
    with StoreWriter(path, name=path.name, tokenizer=tokenizer.digest, dtype="u16", **described) as writer:
        written = number = 0
        while written < tokens:
            chosen = rng.integers(0, len(lines), int(rng.integers(*LESSON_PROBLEMS)))
            lesson = np.concatenate([lines[place] for place in chosen.tolist()])
            writer.add(lesson, {"id": f"lesson-{number}", "source": "lessons", "title": str(number)})
            written, number = written + lesson.size, number + 1
        writer.publish()


def every_problem() -> list[Problem]:
    """All that are not held out."""
    spread = range(NUMBERS.low, NUMBERS.high + 1)
    every = [Problem(a, b, "+") for a in spread for b in spread]
    every += [Problem(a, b, "-") for a in spread for b in spread if a >= b]
    return [problem for problem in every if not problem.held_out]


def line(tokenizer: TextTokenizer, problem: Problem) -> Ids:
    return np.array(tokenizer.encode(f"{problem.expression}: {steps(problem)}\n")[0], dtype=np.int64)


def answers(tokenizer: TextTokenizer, size: int, seed: int) -> list[int]:
    """Ids of questions and thoughts of held-out sums, as a think model writes them."""
    rng, text = random.Random(seed), list[int]()
    while len(text) < size:
        problem = draw(rng, NUMBERS, held_out=True)
        text += tokenizer.encode(f"{question(rng, problem)}\n{thought(problem)}\n")[0]
    return text[:size]
