"""Microanneal: does a candidate data set help? Two short runs from one checkpoint, with equal tokens, seed
and schedule: half candidate and half web text, and web text alone. Both sit the same held-out problems.

It publishes both runs' checkpoints, each with what it read, and a verdict: verdict.json beside the events.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from training.core.adapters.start import load_start
from training.core.arithmetic import Range
from training.core.averaging import run_job
from training.core.chat import PAD, PLAIN
from training.core.errors import RecipeError
from training.core.evaluation.demo_tasks import arithmetic_task
from training.core.evaluation.examine import Settings, Student, examine
from training.core.evaluation.items import Task, read_task
from training.core.evaluation.scoring import Scores
from training.core.job import Job
from training.core.loop import train
from training.core.mixture import Mixture
from training.core.objective import NextToken
from training.core.recipe import MicroannealRecipe
from training.core.stage import Stage
from training.core.stages.setup import numbers_of, open_parent, open_store, open_tokenizer, recipe_of
from training.core.store_order import count_steps, mixed_order, store_order
from training.core.tokenizer import special_id
from training.core.verdict import Rewards, compare
from training.core.verifiers.verifiers import Verifiers

BASELINE, CANDIDATE = "web", "candidate"
QUESTIONS, LESSONS = "sums as questions", "sums as lessons"
VERDICT = "verdict.json"


def run(job: Job) -> None:
    recipe = recipe_of(job, MicroannealRecipe)
    if not recipe.candidate:
        raise RecipeError("microanneal needs a candidate: name the token store of the data set in question")
    with open_mixture(job, recipe) as mixture:
        parent, start = open_parent(job, mixture.second)
        anneal = Microanneal(job, recipe, open_tokenizer(job), mixture, parent, start.name)
        rewards = [anneal.train(number, name) for number, name in enumerate((BASELINE, CANDIDATE), 1)]
        tell(job, *rewards)


@contextmanager
def open_mixture(job: Job, recipe: MicroannealRecipe) -> Iterator[Mixture]:
    web = replace(recipe, store=recipe.store or job.store_name("pretrain"))
    with (
        open_store(job, replace(recipe, store=recipe.candidate)) as candidate,
        open_store(job, web) as web_store,
    ):
        yield Mixture(candidate, web_store, recipe.candidate_share)


def tell(job: Job, baseline: dict[str, Rewards], candidate: dict[str, Rewards]) -> None:
    """Keep the verdict, task by task and over all problems, and say it."""
    verdicts = [compare(task, rewards, candidate[task]) for task, rewards in baseline.items()]
    if len(verdicts) > 1:
        together = [[row for rows in one.values() for row in rows] for one in (baseline, candidate)]
        verdicts.append(compare("all problems", *together))
    tables = [verdict.to_json() for verdict in verdicts]
    partial = job.folder / f"{VERDICT}.partial"
    partial.write_text(json.dumps({"verdicts": tables}, indent=1) + "\n")
    partial.replace(job.folder / VERDICT)
    job.events.write("verdict", verdicts=tables)
    for verdict in verdicts:
        job.events.log(verdict.words)


@dataclass(frozen=True)
class Microanneal:
    """One question put to one checkpoint."""

    job: Job
    recipe: MicroannealRecipe
    tokenizer: Tokenizer
    mixture: Mixture
    parent: Path
    start: str

    def train(self, number: int, name: str) -> dict[str, Rewards]:
        """Run and publish one of the two; the rewards of its answers by task."""
        order = mixed_order(self.mixture, self.recipe)
        steps = count_steps(order, self.recipe)
        tokens = steps * self.recipe.batch_size * self.recipe.sequence_length
        one = run_job(self.job, number, runs=2, steps=steps, name=name)
        stage = self._stage(one, replace(self.recipe, tokens=tokens), name)
        if name == CANDIDATE:
            train(stage, NextToken(stage, self.mixture, order))
        else:
            train(stage, NextToken(stage, None, store_order(self.mixture.second, stage.recipe)))
        kept: dict[str, Rewards] = json.loads(self._rewards(one).read_text())
        return kept

    def _stage(self, job: Job, recipe: MicroannealRecipe, name: str) -> Stage:
        model = load_start(self.parent, recipe)

        def evaluate(final: bool) -> Scores:
            return self._examine(job, model) if final else {}

        return Stage(
            job,
            recipe,
            model,
            self.mixture.second,
            job.tokenizer_folder,
            padding=special_id(self.tokenizer, PAD),
            chat=PLAIN,
            evaluate=evaluate,
            reads=(lambda done: self.mixture.reads(recipe)) if name == CANDIDATE else None,
            parents=(self.start,),
        )

    def _examine(self, job: Job, model: Any) -> Scores:
        """The scores; every answer's reward is kept beside the run's state, written before the checkpoint."""
        rewards: dict[str, Rewards] = {}
        scores: Scores = {}
        settings = Settings(samples=self.recipe.samples)
        with Verifiers() as verifiers:
            for name, task in self._tasks(verifiers).items():
                student = Student(model, self.tokenizer, PLAIN, completes_only=name == LESSONS)
                outcome = examine(student, task, settings, verifiers)
                rewards[name] = outcome.rewards
                scores |= outcome.scores if not scores else {}
        self._rewards(job).write_text(json.dumps(rewards))
        return scores

    def _tasks(self, verifiers: Verifiers) -> dict[str, Task]:
        if self.recipe.tasks:
            return {Path(path).stem: read_task(Path(path), verifiers) for path in self.recipe.tasks}
        stores = (self.mixture.second, self.mixture.first)
        numbers = next((found for store in stores if (found := numbers_of(store))), Range())
        if not self.recipe.held_out_problems:
            raise RecipeError("held_out_problems is 0: a verdict needs problems; a few hundred, or `tasks`")
        task = arithmetic_task(numbers, limit=self.recipe.held_out_problems)
        return {QUESTIONS: task, LESSONS: task}

    @staticmethod
    def _rewards(job: Job) -> Path:
        return job.workspace / "rewards.json"
