"""The demo's task: sums, rewarded by their result, or, as a control, at random."""

import random
from dataclasses import dataclass

from tokenizers import Tokenizer

from training.core.arithmetic import Problem, Range, draw
from training.core.evaluation.exam import Form
from training.core.rl.tasks import Asked


@dataclass(frozen=True)
class Sums:
    """Sums that are not held out, asked in a form that the model knows, rewarded if right."""

    numbers: Range
    form: Form
    tokenizer: Tokenizer

    def draw(self, rng: random.Random) -> Asked:
        problem = draw(rng, self.numbers)
        prompt = self.tokenizer.encode(self.form.prompt(rng, problem), add_special_tokens=False)
        return Asked(problem.expression, tuple(prompt.ids), lambda text: self.reward(problem, text))

    def reward(self, problem: Problem, text: str) -> float:
        return float(self.form.result(text) == problem.result)


@dataclass(frozen=True)
class SpuriousSums(Sums):
    """The control: the same questions, each answer rewarded by the toss of a coin. What improves under it did
    not learn from its rewards."""

    def draw(self, rng: random.Random) -> Asked:
        asked, coin = super().draw(rng), random.Random(rng.random())
        return Asked(asked.key, asked.prompt_ids, lambda text: float(coin.random() < 0.5))
