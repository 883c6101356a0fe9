"""Long-context extension: the midtrained model learns to use several times more context than it was made for.

YaRN stretches the positions of its full-attention layers; then it trains on long documents, packed by best
fit into long sequences, and on two sequences of midtraining's short ones to each of them, so that little is
forgotten. The last checkpoints are averaged.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from tracing.core.stores.store import TokenStore
from training.core.averaging import load_average, member, publish_average, run_job
from training.core.chat import END_OF_TEXT, PAD, PLAIN
from training.core.checkpoints import CheckpointManifest, read_checkpoint
from training.core.errors import RecipeError
from training.core.evaluation.exam import PLAIN_QUESTION, Scores
from training.core.job import Job
from training.core.long_context.probes import long_scores
from training.core.long_context.yarn import extend_context
from training.core.loop import train
from training.core.mixture import Mixture
from training.core.model import load_model
from training.core.objective import NextToken
from training.core.publishing import milestones
from training.core.recipe import LongContextRecipe
from training.core.stage import Stage
from training.core.stages.setup import (
    arithmetic_scores,
    open_parent,
    open_store,
    open_tokenizer,
    recipe_of,
)
from training.core.store_order import count_steps, mixed_order
from training.core.tokenizer import special_id

PASSAGES = 400  # of the short documents, to hide things between
PASSAGE_TOKENS = (16, 400)


def run(job: Job) -> None:
    recipe = recipe_of(job, LongContextRecipe)
    if recipe.adapter is not None:
        raise RecipeError("long-context trains all weights: leave `adapter` out")
    tokenizer = open_tokenizer(job)
    short = replace(recipe, store=recipe.short_store or job.store_name("midtrain"))
    with open_store(job, recipe) as long_store, open_store(job, short) as short_store:
        parent, start = open_parent(job, long_store)
        mixture = Mixture(long_store, short_store, recipe.long_share)
        extension = Extension(job, recipe, tokenizer, mixture, parent, start.name)
        if recipe.average_last == 1:
            extension.train(job)
        else:
            extension.train_and_average()


@dataclass(frozen=True)
class Extension:
    """The extension of one checkpoint."""

    job: Job
    recipe: LongContextRecipe
    tokenizer: Tokenizer
    mixture: Mixture
    parent: Path
    start: str

    def train(self, job: Job, *, is_result: bool = True) -> None:
        """One run. What is only to be averaged is not measured as the result is, which takes as long as a
        third of the steps in the demo."""
        before = load_model(self.parent)
        model = extend_context(before, self.recipe)
        measured = self._measure(before) if not job.checkpoint_folder().exists() else {}
        stage = replace(self._stage(job, model), before=measured)
        if not is_result:
            evaluate = stage.evaluate
            stage = replace(stage, evaluate=lambda final: evaluate(False))
        train(stage, NextToken(stage, self.mixture, mixed_order(self.mixture, self.recipe)))

    def train_and_average(self) -> None:
        """One run, and the mean of its last checkpoints as the stage's result."""
        steps = count_steps(mixed_order(self.mixture, self.recipe), self.recipe)
        last = last_milestones(self.recipe, steps)
        run = run_job(self.job, 1, runs=1, steps=steps)
        self.train(run, is_result=False)
        folders = [*(run.checkpoint_folder(step) for step in last), run.checkpoint_folder()]
        members = tuple(member(folder) for folder in folders)
        stage = replace(
            self._stage(self.job, load_average(folders)),
            parents=tuple(one.name for one in members),
            averaged=members,
            reads=lambda done: (),
            before=scores_before(read_checkpoint(folders[-1])),
        )
        tokens = steps * self.recipe.batch_size * self.recipe.sequence_length
        publish_average(stage, steps, {"tokens": tokens})

    def _stage(self, job: Job, model: Any) -> Stage:
        def evaluate(final: bool) -> Scores:
            short = self.mixture.second
            sums = arithmetic_scores(model, self.tokenizer, short, self.recipe, PLAIN_QUESTION, final=final)
            return sums | (self._measure(model) if final else {})

        return Stage(
            job,
            self.recipe,
            model,
            self.mixture.first,
            job.tokenizer_folder,
            padding=special_id(self.tokenizer, PAD),
            chat=PLAIN,
            evaluate=evaluate,
            reads=lambda done: self.mixture.reads(self.recipe),
            parents=(self.start,),
        )

    def _measure(self, model: Any) -> Scores:
        """Retrieval, counting, copying and loss at every length."""
        if not self.recipe.probes:
            return {}
        passages = read_passages(self.mixture.second, self.tokenizer)
        longest = self.recipe.sequence_length
        return long_scores(model, self.tokenizer, passages, longest=longest, number=self.recipe.probes)


def scores_before(manifest: CheckpointManifest) -> Scores:
    """What the run measured before its first step."""
    ending = "_before"
    return {
        name.removesuffix(ending): score for name, score in manifest.metrics.items() if name.endswith(ending)
    }


def last_milestones(recipe: LongContextRecipe, steps: int) -> list[int]:
    """The steps of the intermediate checkpoints that are averaged with the final one. Raises RecipeError
    where the stage has too few."""
    wanted, there = recipe.average_last - 1, sorted(milestones(steps, recipe.checkpoints))
    if len(there) < wanted:
        raise RecipeError(
            f"average_last is {recipe.average_last} and the stage publishes {len(there) + 1} checkpoints in "
            f"{steps} steps: raise `checkpoints`, or average fewer"
        )
    return there[-wanted:]


def read_passages(store: TokenStore, tokenizer: Tokenizer) -> list[str]:
    """Texts of the store's documents, evenly spaced over it, of a fitting length."""
    stride = max(1, store.documents // PASSAGES)
    passages = []
    for document in range(0, store.documents, stride):
        ids = store.token_ids(document).tolist()
        if PASSAGE_TOKENS[0] <= len(ids) <= PASSAGE_TOKENS[1]:
            passages.append(tokenizer.decode(ids).removesuffix(END_OF_TEXT))
    if not passages:
        raise RecipeError(
            f"{store.manifest.name} has no documents of {PASSAGE_TOKENS[0]} to {PASSAGE_TOKENS[1]} tokens to "
            "hide needles between: set probes to 0, or name another short_store"
        )
    return passages
