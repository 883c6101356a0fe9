"""The demo's own tasks: held-out sums, and what things of Python's library do."""

import random
import re

from tokenizers import Tokenizer

from tracing.core.stores.store import TokenStore
from training.core.arithmetic import Problem, Range, draw, question
from training.core.chat import Turn
from training.core.evaluation.exam import LONGEST_WORKING, library_answers
from training.core.evaluation.items import Item, Task, TaskError
from training.core.questions import HELD_OUT_PHRASING
from training.core.verifiers.verdict import THINK_END

ARITHMETIC, LIBRARY = "arithmetic", "library"
SEED = 123
PROBLEMS = 300
DRAWS_IN_VAIN = 5000
"""Known problems in a row, after which there are no new ones."""
LESSON_RESULT = re.compile(r"so (\d+)\.")


def arithmetic_task(numbers: Range, *, limit: int | None = None) -> Task:
    """Held-out sums and differences, each once, in bare form or as word problems: the same for everyone.
    Fewer than asked for where the range has no more."""
    wanted, rng = limit or PROBLEMS, random.Random(SEED)
    found: dict[Problem, Item] = {}
    in_vain = 0
    while len(found) < wanted and in_vain < DRAWS_IN_VAIN:
        problem = draw(rng, numbers, held_out=True)
        asked = question(rng, problem)
        in_vain = in_vain + 1 if problem in found else 0
        if problem not in found:
            found[problem] = sum_item(len(found) + 1, problem, asked)
    return Task(ARITHMETIC, tuple(found.values()), LONGEST_WORKING)


def sum_item(line: int, problem: Problem, asked: str) -> Item:
    turns = (Turn("user", asked),)
    return Item(line, turns, "", str(problem.result), "math", lesson=f"{problem.expression}:")


def read_lesson(text: str) -> str:
    """The result that a lesson's first worked problem comes to, as an answer states it."""
    found = LESSON_RESULT.search(text)
    return f"The answer is {found[1]}." if found else text


def library_task(store: TokenStore, tokenizer: Tokenizer, *, limit: int | None = None) -> Task:
    """The things that the conversations of an SFT store are about, asked for in words that are in no stage's
    data; answers are checked to the letter. Raises TaskError for a store without any."""
    answers = library_answers(store, tokenizer)
    if not answers:
        raise TaskError(f"{store.manifest.name} holds no questions about the library")
    longest = max(len(encoding.ids) for encoding in tokenizer.encode_batch(list(answers.values()))) + 2
    items = [
        Item(line, (Turn("user", HELD_OUT_PHRASING.format(name)),), "", answer.split(THINK_END)[-1], "exact")
        for line, (name, answer) in enumerate(answers.items(), 1)
    ]
    return Task(LIBRARY, tuple(items[:limit]), longest)
