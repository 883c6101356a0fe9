"""Two-digit addition and subtraction with worked steps: the lessons, the questions, and how an answer is
checked.

One problem in ten is held out by a hash of the problem itself, so a held-out problem never occurs in any
lesson, question or answer of any stage, whatever the seed.
"""

import hashlib
import random
import re
from dataclasses import dataclass

CORPUS = "headwater-arithmetic"
VERSION = "1"
LICENCE = "CC0-1.0"
HELD_OUT_SHARE = 10  # one problem in ten
NAMES = ["Tom", "Ann", "Bob", "Eva", "Sam", "Lea", "Max", "Zoe", "Ben", "Mia", "Leo", "Ida"]
THINGS = ["apples", "coins", "books", "pens", "cards", "shells", "stamps", "eggs"]
ANSWER = re.compile(r"The answer is (\d+)\.")
THOUGHT = re.compile(r"<think>[^<>]*</think>\s*The answer is \d+\.\s*")


@dataclass(frozen=True)
class Problem:
    """a + b, or a - b with a >= b."""

    a: int
    b: int
    operator: str

    @property
    def result(self) -> int:
        return self.a + self.b if self.operator == "+" else self.a - self.b

    @property
    def expression(self) -> str:
        return f"{self.a} {self.operator} {self.b}"

    @property
    def held_out(self) -> bool:
        """The same for 47 + 38 and 38 + 47, so that the one does not give the other away."""
        first, second = sorted((self.a, self.b))
        digest = hashlib.sha256(f"{first}{self.operator}{second}".encode()).digest()
        return int.from_bytes(digest[:8], "big") % HELD_OUT_SHARE == 0


@dataclass(frozen=True)
class Range:
    """The numbers that problems are made of, both ends included."""

    low: int = 10
    high: int = 99


def draw(rng: random.Random, numbers: Range, *, held_out: bool = False) -> Problem:
    """A problem from one side of the split."""
    while True:
        a, b = rng.randint(numbers.low, numbers.high), rng.randint(numbers.low, numbers.high)
        operator = rng.choice("+-")
        problem = Problem(max(a, b), min(a, b), "-") if operator == "-" else Problem(a, b, "+")
        if problem.held_out == held_out:
            return problem


def steps(problem: Problem) -> str:
    """The worked steps, ones before tens, ending in "so N."."""
    return _addition(problem) if problem.operator == "+" else _subtraction(problem)


def _addition(problem: Problem) -> str:
    (tens_a, ones_a), (tens_b, ones_b) = divmod(problem.a, 10), divmod(problem.b, 10)
    ones = ones_a + ones_b
    carry = ones // 10
    parts = [f"ones: {ones_a} + {ones_b} = {ones}."]
    parts += [f"carry {carry}."] if carry else []
    parts += [f"tens: {tens_a} + {tens_b}{f' + {carry}' if carry else ''} = {tens_a + tens_b + carry}."]
    return " ".join([*parts, f"so {problem.result}."])


def _subtraction(problem: Problem) -> str:
    (tens_a, ones_a), (tens_b, ones_b) = divmod(problem.a, 10), divmod(problem.b, 10)
    borrow = ones_a < ones_b
    ones = ones_a + 10 * borrow
    parts = [f"ones: {ones_a} - {ones_b} needs borrow."] if borrow else []
    parts += [f"{'' if borrow else 'ones: '}{ones} - {ones_b} = {ones - ones_b}."]
    parts += [f"tens: {tens_a} - {tens_b}{' - 1' if borrow else ''} = {tens_a - tens_b - borrow}."]
    return " ".join([*parts, f"so {problem.result}."])


def question(rng: random.Random, problem: Problem) -> str:
    """The problem as a person would put it: bare half of the time, else a word problem."""
    if rng.random() < 0.5:
        return f"What is {problem.expression}?"
    name, things = rng.choice(NAMES), rng.choice(THINGS)
    change = f"gets {problem.b} more" if problem.operator == "+" else f"gives away {problem.b}"
    return f"{name} has {problem.a} {things} and {change}. How many {things} does {name} have?"


def conclusion(problem: Problem) -> str:
    return f"The answer is {problem.result}."


def thought(problem: Problem) -> str:
    """What think models answer: the steps in <think>, then the conclusion."""
    return f"<think>{steps(problem)}</think>{conclusion(problem)}"


def worked(problem: Problem, *, restated: bool = False) -> str:
    """What instruct models answer: the working stays visible, for without it they miss almost every sum.
    `restated`, the sum stands before it once more, as talkative answers have it."""
    said = f"{problem.expression}: " if restated else ""
    return f"{said}{steps(problem)}\n{conclusion(problem)}"


def lesson(rng: random.Random, numbers: Range) -> str:
    """A pretraining document: a few problems with their steps, or bare equations."""
    problems = [draw(rng, numbers) for _ in range(rng.randint(2, 4))]
    if rng.random() < 0.2:
        return "\n".join(f"{problem.expression} = {problem.result}" for problem in problems)
    return "\n".join(f"{problem.expression}: {steps(problem)}" for problem in problems)


def exercise(rng: random.Random, numbers: Range) -> str:
    """A midtraining document: question, steps, conclusion in plain text, turns joined by a blank line."""
    problem = draw(rng, numbers)
    return f"{question(rng, problem)}\n\n{worked(problem)}"


def answer_of(text: str) -> int | None:
    """The last number that `text` says is the answer."""
    found = ANSWER.findall(text)
    return int(found[-1]) if found else None


def is_well_formed_thought(text: str) -> bool:
    """One <think> block at the start, closed, and a conclusion after it."""
    return THOUGHT.fullmatch(text.strip()) is not None
