"""What think SFT and instruct SFT share: conversations kept whole, the loss on the assistant's tokens alone,
the evaluation."""

from training.core.adapters.start import load_start
from training.core.chat import CHATML, PAD
from training.core.evaluation.exam import CHAT, Scores
from training.core.held_out import held_out_loss
from training.core.job import Job
from training.core.loop import train
from training.core.recipe import ThinkSftRecipe
from training.core.stage import Stage
from training.core.stages.setup import (
    arithmetic_scores,
    library_scores,
    open_parent,
    open_store,
    open_tokenizer,
    recipe_of,
    taught_numbers,
    teaches_functions,
)
from training.core.tokenizer import special_id
from training.core.validation import validating


def run_sft(job: Job, kind: type[ThinkSftRecipe], *, thinking: bool) -> None:
    """From a checkpoint to one that answers as the assistant of the store's conversations does."""
    recipe, tokenizer = recipe_of(job, kind), open_tokenizer(job)
    padding = special_id(tokenizer, PAD)
    with open_store(job, recipe) as store:
        parent, start = open_parent(job, store)
        model, numbers = load_start(parent, recipe), taught_numbers(job)
        with validating(job, recipe, model, padding) as validate:

            def unseen() -> Scores:
                return held_out_loss(model, store, recipe, padding) | (validate() if validate else {})

            def evaluate(final: bool) -> Scores:
                sums = arithmetic_scores(
                    model, tokenizer, store, recipe, CHAT, final=final, thinking=thinking, numbers=numbers
                )
                return sums | unseen() | (library_scores(model, tokenizer, store) if final else {})

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
                    validate=validate,
                    before=unseen(),
                    parents=(start.name,),
                    thinking=thinking,
                    functions=start.functions or teaches_functions(store),
                )
            )
