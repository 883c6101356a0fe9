"""What a checkpoint can do: held-out sums, and how many of the library's docstrings it recites to the
letter."""

import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tokenizers import Tokenizer

from tracing.core.stores.store import TokenStore
from training.core.arithmetic import Problem, Range, answer_of, draw, is_well_formed_thought, question
from training.core.chat import TURN_END, Turn, prompt_chatml, render_plain
from training.core.generation import generate
from training.core.questions import HELD_OUT_PHRASING, PHRASINGS

SEED = 123
LONGEST_WORKING = 72  # tokens; the longest trace and its answer are well under
Scores = dict[str, float]


@dataclass(frozen=True)
class Form:
    """How a stage's model is asked a sum, and how its result is read."""

    prompt: Callable[[random.Random, Problem], str]
    result: Callable[[str], int | None]


def _result_of_lesson(text: str) -> int | None:
    found = re.search(r"so (\d+)\.", text)
    return int(found[1]) if found else None


# A pretrained model completes a lesson; a midtrained one answers a question in plain text; then chats.
LESSON = Form(lambda rng, problem: f"{problem.expression}:", _result_of_lesson)
PLAIN_QUESTION = Form(lambda rng, p: render_plain([Turn("user", question(rng, p))], prompt=True), answer_of)
CHAT = Form(lambda rng, problem: prompt_chatml([Turn("user", question(rng, problem))]), answer_of)


@dataclass(frozen=True)
class Exam:
    """The held-out sums of the range that a store's lessons are from."""

    tokenizer: Tokenizer
    form: Form
    numbers: Range
    thinking: bool = False

    def scores(self, model: Any, problems: int, *, sampled: bool) -> Scores:
        """Shares of right answers: `greedy` and, if asked for, `sampled` (temperature 1).

        Of the greedy answers also `mean_tokens`, their length, and for a thinking model `well_formed`, the
        share that are one closed <think> block and a conclusion."""
        if not problems:
            return {}
        right, formed, tokens = self._sit(model, problems, sampled=False)
        scores = {"greedy": right, "mean_tokens": tokens}
        scores |= {"well_formed": formed} if self.thinking else {}
        return scores | ({"sampled": self._sit(model, problems, sampled=True)[0]} if sampled else {})

    def _sit(self, model: Any, number: int, *, sampled: bool) -> tuple[float, float, float]:
        """Shares of right and of well-formed answers, and their mean length in tokens."""
        rng = random.Random(SEED)
        problems = [draw(rng, self.numbers, held_out=True) for _ in range(number)]
        prompts = [self.form.prompt(rng, problem) for problem in problems]
        answers = generate(model, self.tokenizer, prompts, longest=LONGEST_WORKING, sampled=sampled)
        right = sum(self.form.result(answer) == p.result for answer, p in zip(answers, problems, strict=True))
        tokens = sum(len(encoding.ids) for encoding in self.tokenizer.encode_batch(answers))
        return right / number, sum(map(is_well_formed_thought, answers)) / number, tokens / number


def library_answers(store: TokenStore, tokenizer: Tokenizer) -> dict[str, str]:
    """Name -> the answer that the conversations of an SFT store teach for it, for everything of the
    library."""
    answers: dict[str, str] = {}
    for document in range(store.documents):
        metadata = store.metadata(document)
        if str(metadata.get("corpus", "")).startswith("python-") and metadata.get("loss"):
            start, end = metadata["loss"][-1]
            ids = store.token_ids(document)[start:end].tolist()
            answers[metadata["title"]] = tokenizer.decode(ids, skip_special_tokens=False).removesuffix(
                TURN_END
            )
    return answers


def recital(model: Any, tokenizer: Tokenizer, answers: dict[str, str]) -> Scores:
    """How many of the library's answers are recited exactly, greedily: `recited` out of `recited_of` when
    asked as in training, `recited_unseen` when asked in words that are in no stage's data."""
    if not answers:
        return {}
    longest = max(len(encoding.ids) for encoding in tokenizer.encode_batch(list(answers.values()))) + 2
    scores: Scores = {"recited_of": len(answers)}
    for key, phrasing in (("recited", PHRASINGS[0]), ("recited_unseen", HELD_OUT_PHRASING)):
        prompts = [prompt_chatml([Turn("user", phrasing.format(name))]) for name in answers]
        said = generate(model, tokenizer, prompts, longest=longest)
        scores[key] = sum(text == answer for text, answer in zip(said, answers.values(), strict=True))
    return scores
