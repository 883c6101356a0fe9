"""Pretraining: a new model learns to continue the library's documentation and source, and arithmetic lessons.

Documents are packed end to end and kept apart by their positions; every one of them is seen once.
"""

from training.core.chat import END_OF_TEXT, PAD, PLAIN, TURN_END
from training.core.evaluation.exam import LESSON, Scores
from training.core.job import Job
from training.core.loop import train
from training.core.model import new_model
from training.core.recipe import PretrainRecipe
from training.core.stage import Stage
from training.core.stages.setup import arithmetic_scores, open_store, open_tokenizer, recipe_of
from training.core.tokenizer import special_id


def run(job: Job) -> None:
    recipe = recipe_of(job, PretrainRecipe)
    tokenizer = open_tokenizer(job)
    special = {"pad": PAD, "end_of_text": END_OF_TEXT, "turn_end": TURN_END}
    ids = {role: special_id(tokenizer, token) for role, token in special.items()}
    model = new_model(recipe.model, vocabulary_size=tokenizer.get_vocab_size(), ids=ids, seed=recipe.seed)
    job.events.log(f"a new model of {model.num_parameters():,} parameters")

    with open_store(job, recipe) as store:

        def evaluate(final: bool) -> Scores:
            return arithmetic_scores(model, tokenizer, store, recipe, LESSON, final=final)

        train(
            Stage(
                job,
                recipe,
                model,
                store,
                job.tokenizer_folder,
                padding=ids["pad"],
                chat=PLAIN,
                evaluate=evaluate,
            )
        )
