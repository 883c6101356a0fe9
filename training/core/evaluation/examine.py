"""Putting a task to a model: answers in batches, verified, scored."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import torch
from tokenizers import Tokenizer

from training.core.chat import CHATML, prompt_chatml, render_plain
from training.core.evaluation.demo_tasks import read_lesson
from training.core.evaluation.items import Item, Task, TaskError
from training.core.evaluation.scoring import Scores, mean_and_error, put, sampled_scores
from training.core.generation import AT_ONCE, Answer, answer_batch
from training.core.verifiers.verdict import Verdict
from training.core.verifiers.verifiers import Verifiers

SAMPLES_MAX = 1024
TEMPERATURE_MAX = 10.0
TOKENS_AT_ONCE = 1 << 16
SHORTEST_ANSWER = 8
VERIFYING_THREADS = 4

Progress = Callable[[int, int], None]
Asked = tuple[Item, str]


@dataclass(frozen=True)
class Settings:
    """How answers are drawn."""

    samples: int = 1
    """Answers an item at `temperature`, besides the greedy one; 0 for greedy alone."""
    temperature: float = 1.0
    seed: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.samples <= SAMPLES_MAX:
            raise TaskError(f"samples is {self.samples}: write 0 to {SAMPLES_MAX}")
        if not 0 < self.temperature <= TEMPERATURE_MAX:
            raise TaskError(
                f"temperature is {self.temperature}: write a number above 0, up to {TEMPERATURE_MAX:g}"
            )
        if not 0 <= self.seed < 2**63:
            raise TaskError(f"seed is {self.seed}: write a whole number from 0")


@dataclass(frozen=True)
class Student:
    """The model that sits a task, and how it is spoken to."""

    model: Any
    tokenizer: Tokenizer
    chat: str
    thinking: bool = False
    completes_only: bool = False
    """A pretrained model: it goes on with text and knows no questions."""

    def prompt(self, item: Item) -> str:
        if self.completes_only and item.lesson:
            return item.lesson
        if not item.turns:
            return item.prompt
        return prompt_chatml(item.turns) if self.chat == CHATML else render_plain(item.turns, prompt=True)

    def read(self, item: Item, text: str) -> str:
        """What is verified of an answer."""
        return read_lesson(text) if self.completes_only and item.lesson else text


@dataclass(frozen=True)
class Outcome:
    """What came of it."""

    scores: Scores
    missing: dict[str, str]
    """Protections that this machine could not give while code was run, each with why."""
    rewards: tuple[tuple[float, ...], ...] = ()
    """Of every item, in order: the greedy answer's, then those of the sampled ones."""


def examine(
    student: Student, task: Task, settings: Settings, verifiers: Verifiers, progress: Progress | None = None
) -> Outcome:
    """Ask every item once greedily and `samples` times at the temperature, and verify the answers.

    `scores`: `greedy` and `sampled` (mean rewards) and `pass@k`, each with `..._error`, its standard error;
    `mean_tokens` and `well_formed` (the share that ended by themselves and think, if at all, in one closed
    block before they answer) of the greedy answers. `progress` is told of answers done and all. The same
    seed on the same machine gives the same answers.
    """
    runs = 1 + settings.samples
    total, done = len(task.items) * runs, 0
    answers, rewards, missing = list[Answer](), list[list[float]]([] for _ in task.items), dict[str, str]()
    report = progress or (lambda done, total: None)
    report(0, total)
    with torch.random.fork_rng(), ThreadPoolExecutor(VERIFYING_THREADS) as pool:
        torch.manual_seed(settings.seed)
        for run in range(runs):
            temperature = settings.temperature if run else 0.0
            for places, batch in answer_all(student, task, temperature):
                asked = [task.items[place] for place in places]
                for place, verdict in zip(
                    places, verify(pool, student, verifiers, asked, batch), strict=True
                ):
                    rewards[place].append(verdict.reward)
                    missing.update(verdict.missing)
                answers += [] if run else batch
                done += len(batch)
                report(done, total)
    return Outcome(scores_of(student, answers, rewards), missing, tuple(map(tuple, rewards)))


def answer_all(student: Student, task: Task, temperature: float) -> Iterator[tuple[list[int], list[Answer]]]:
    """Answers in batches, with the places of their items; items of like length go together. Raises TaskError
    for an item that leaves no room for an answer."""
    prompts = [student.prompt(item) for item in task.items]
    encodings = student.tokenizer.encode_batch(prompts, add_special_tokens=False)
    lengths = [len(encoding.ids) for encoding in encodings]
    context = int(student.model.config.max_position_embeddings)
    for item, length in zip(task.items, lengths, strict=True):
        if not 0 < length <= context - SHORTEST_ANSWER:
            raise TaskError(
                f"item {item.line} has {length} tokens, and the model's context {context}: leave it out"
            )
    for places in batches_of(lengths, task.longest):
        width = max(lengths[place] for place in places)
        longest = min(task.longest, context - width)
        chosen = [prompts[place] for place in places]
        yield (
            places,
            answer_batch(student.model, student.tokenizer, chosen, longest=longest, temperature=temperature),
        )


def batches_of(lengths: Sequence[int], longest: int) -> Iterator[list[int]]:
    """Places in order of length, as many at once as fit into TOKENS_AT_ONCE with their answers."""
    batch: list[int] = []
    for place in sorted(range(len(lengths)), key=lambda place: (lengths[place], place)):
        rows = len(batch) + 1
        if batch and (rows > AT_ONCE or rows * (lengths[place] + longest) > TOKENS_AT_ONCE):
            yield batch
            batch = []
        batch.append(place)
    if batch:
        yield batch


def verify(
    pool: ThreadPoolExecutor,
    student: Student,
    verifiers: Verifiers,
    items: Sequence[Item],
    answers: Sequence[Answer],
) -> list[Verdict]:
    def check(item: Item, answer: Answer) -> Verdict:
        said = student.read(item, answer.text)
        return verifiers.find(item.verifier).verify(said, item.reference, item.question)

    return list(pool.map(check, items, answers))


def scores_of(student: Student, answers: Sequence[Answer], rewards: Sequence[Sequence[float]]) -> Scores:
    """From the greedy answers, and all the rewards, the greedy one first; shape [items][1 + samples]."""
    scores: Scores = {}
    put(scores, "greedy", [row[0] for row in rewards])
    if len(rewards[0]) > 1:
        scores |= sampled_scores([row[1:] for row in rewards])
    scores["mean_tokens"] = round(mean_and_error([answer.tokens for answer in answers])[0], 2)
    if not student.completes_only:
        formed = [is_well_formed(answer, thinking=student.thinking) for answer in answers]
        scores["well_formed"] = round(mean_and_error(formed)[0], 6)
    return scores


def is_well_formed(answer: Answer, *, thinking: bool) -> bool:
    """It ended by itself and says something; thinking, if there is any, is one closed block at its start, and
    a thinking model has one."""
    text = answer.text.strip()
    opened, closed = text.count("<think>"), text.count("</think>")
    if opened == closed == 0:
        return answer.ended and bool(text) and not thinking
    one = opened == closed == 1 and text.startswith("<think>")
    return answer.ended and one and bool(text.partition("</think>")[2].strip())
