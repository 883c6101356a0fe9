"""Midtraining: the pretrained model learns questions and answers, in plain text.

No chat tokens yet: a base model that has seen them writes them everywhere. The learning rate falls to zero.
Of several runs, each from the same checkpoint in an order of its own, the weights are averaged.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

from tracing.core.stores.store import TokenStore
from training.core.adapters.start import load_start
from training.core.averaging import load_average, member, publish_average, run_job
from training.core.chat import PAD, PLAIN
from training.core.errors import RecipeError
from training.core.evaluation.exam import PLAIN_QUESTION, Scores
from training.core.held_out import held_out_loss
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
    taught_numbers,
)
from training.core.store_order import count_steps, store_order
from training.core.tokenizer import special_id


def run(job: Job) -> None:
    recipe = recipe_of(job, MidtrainRecipe)
    with open_store(job, recipe) as store:
        parent, start = open_parent(job, store)
        if recipe.runs > 1 and recipe.adapter is not None:
            raise RecipeError("adapters cannot be averaged: set runs to 1, or train all weights")
        if recipe.runs == 1:
            train(replace(new_stage(job, recipe, store, load_start(parent, recipe)), parents=(start.name,)))
            return
        steps = count_steps(store_order(store, recipe), recipe)
        runs = [run_job(job, number, runs=recipe.runs, steps=steps) for number in range(1, recipe.runs + 1)]
        for number, one in enumerate(runs):
            own = replace(recipe, seed=recipe.seed + number)
            train(replace(new_stage(one, own, store, load_start(parent, recipe)), parents=(start.name,)))
        folders = [one.checkpoint_folder() for one in runs]
        average(job, recipe, store, folders, steps)


def average(job: Job, recipe: MidtrainRecipe, store: TokenStore, folders: list[Path], steps: int) -> None:
    """Publish the mean of the runs as the stage's result."""
    members = tuple(member(folder) for folder in folders)
    stage = new_stage(job, recipe, store, load_average(folders))
    tokens = len(folders) * steps * recipe.batch_size * recipe.sequence_length
    names = tuple(one.name for one in members)
    publish_average(
        replace(stage, parents=names, averaged=members, reads=lambda done: ()), steps, {"tokens": tokens}
    )


def new_stage(job: Job, recipe: MidtrainRecipe, store: TokenStore, model: Any) -> Stage:
    """Midtraining of this model."""
    tokenizer = open_tokenizer(job)
    numbers, padding = taught_numbers(job), special_id(tokenizer, PAD)

    def evaluate(final: bool) -> Scores:
        held_out = held_out_loss(model, store, recipe, padding)
        return held_out | arithmetic_scores(
            model, tokenizer, store, recipe, PLAIN_QUESTION, final=final, numbers=numbers
        )

    return Stage(
        job,
        recipe,
        model,
        store,
        job.tokenizer_folder,
        padding=padding,
        chat=PLAIN,
        evaluate=evaluate,
        before=held_out_loss(model, store, recipe, padding),
    )
