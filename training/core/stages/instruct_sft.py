"""Instruct SFT: from the think SFT checkpoint, the model learns to answer at once, in the library's own
words.

Conversations are kept whole; the loss is taken on the assistant's tokens alone.
"""

from training.core.adapters.start import load_start
from training.core.chat import CHATML, PAD
from training.core.evaluation.exam import CHAT, Scores
from training.core.held_out import held_out_loss
from training.core.job import Job
from training.core.loop import train
from training.core.recipe import InstructSftRecipe
from training.core.stage import Stage
from training.core.stages.setup import (
    arithmetic_scores,
    library_scores,
    open_parent,
    open_store,
    open_tokenizer,
    recipe_of,
    taught_numbers,
)
from training.core.tokenizer import special_id


def run(job: Job) -> None:
    recipe = recipe_of(job, InstructSftRecipe)
    tokenizer = open_tokenizer(job)
    with open_store(job, recipe) as store:
        parent, start = open_parent(job, store)
        model = load_start(parent, recipe)
        numbers, padding = taught_numbers(job), special_id(tokenizer, PAD)

        def evaluate(final: bool) -> Scores:
            sums = arithmetic_scores(model, tokenizer, store, recipe, CHAT, final=final, numbers=numbers)
            held_out = held_out_loss(model, store, recipe, padding)
            return sums | held_out | (library_scores(model, tokenizer, store) if final else {})

        train(
            Stage(
                job,
                recipe,
                model,
                store,
                job.tokenizer_folder,
                padding=padding,
                chat=CHATML,
                evaluate=evaluate,
                before=held_out_loss(model, store, recipe, padding),
                parents=(start.name,),
            )
        )
