"""Midtraining: the pretrained model learns questions and answers, in plain text.

No chat tokens yet: a base model that has seen them writes them everywhere. The learning rate falls to zero.
"""

from training.core.adapters.start import load_start
from training.core.chat import PAD, PLAIN
from training.core.evaluation.exam import PLAIN_QUESTION, Scores
from training.core.job import Job
from training.core.loop import train
from training.core.recipe import MidtrainRecipe
from training.core.stage import Stage
from training.core.stages.setup import (
    arithmetic_scores,
    open_parent,
    open_store,
    open_tokenizer,
    recipe_of,
)
from training.core.tokenizer import special_id


def run(job: Job) -> None:
    recipe = recipe_of(job, MidtrainRecipe)
    tokenizer = open_tokenizer(job)
    with open_store(job, recipe) as store:
        parent, start = open_parent(job, store)
        model = load_start(parent, recipe)

        def evaluate(final: bool) -> Scores:
            return arithmetic_scores(model, tokenizer, store, recipe, PLAIN_QUESTION, final=final)

        train(
            Stage(
                job,
                recipe,
                model,
                store,
                job.tokenizer_folder,
                padding=special_id(tokenizer, PAD),
                chat=PLAIN,
                evaluate=evaluate,
                parents=(start.name,),
            )
        )
