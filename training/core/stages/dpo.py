"""What think DPO and instruct DPO share: the pairs, the preference objective, the evaluation."""

from typing import Any

from tokenizers import Tokenizer

from training.core.adapters.start import load_start
from training.core.batches import Batch, read_batch
from training.core.chat import CHATML, PAD
from training.core.evaluation.exam import CHAT, Scores, recital
from training.core.held_out import held_out_pairs
from training.core.job import Job
from training.core.loop import train
from training.core.order import PairOrder
from training.core.pairs import Pair, pair_documents
from training.core.preference import Preference, pair_accuracy
from training.core.recipe import ThinkDpoRecipe
from training.core.stage import Stage
from training.core.stages.pair_store import held_out_pairs as made_pairs
from training.core.stages.pair_store import make_pair_store
from training.core.stages.setup import (
    arithmetic_scores,
    library_behind,
    open_parent,
    open_store,
    open_tokenizer,
    recipe_of,
    taught_numbers,
    teaches_functions,
)
from training.core.tokenizer import special_id
from training.core.writing import Encoded


def run_dpo(job: Job, kind: type[ThinkDpoRecipe], *, thinking: bool) -> None:
    """From the SFT checkpoint: make the pairs if the recipe says how, then learn to prefer."""
    recipe, tokenizer = recipe_of(job, kind), open_tokenizer(job)
    if recipe.pairs is not None:
        settings = recipe.pairs
        job.world.first(lambda: make_pair_store(job, recipe, settings, tokenizer))
    with open_store(job, recipe) as store:
        parent, start = open_parent(job, store)
        model, padding = load_start(parent, recipe), special_id(tokenizer, PAD)
        library = library_behind(job, tokenizer)
        measured = measured_batch(made_pairs(job), tokenizer, recipe, padding)
        numbers = taught_numbers(job)

        def pairs() -> Scores:
            return pair_scores(model, measured) or held_out_pairs(model, store, recipe, padding)

        def evaluate(final: bool) -> Scores:
            sums = arithmetic_scores(
                model, tokenizer, store, recipe, CHAT, final=final, thinking=thinking, numbers=numbers
            )
            return sums | pairs() | (recital(model, tokenizer, library) if final else {})

        stage = Stage(
            job,
            recipe,
            model,
            store,
            job.tokenizer_folder,
            padding=padding,
            chat=CHATML,
            evaluate=evaluate,
            before=pairs(),
            parents=(start.name,),
            thinking=thinking,
            functions=start.functions or teaches_functions(store),
        )
        train(stage, Preference(stage, recipe))


def pair_scores(model: Any, held_out: Batch | None) -> Scores:
    """`pairs`: the share of held-out pairs whose chosen answer the model finds likelier, token for token."""
    return {} if held_out is None else {"pairs": pair_accuracy(model, held_out)}


def measured_batch(
    pairs: list[Pair], tokenizer: Tokenizer, recipe: ThinkDpoRecipe, padding: int
) -> Batch | None:
    """All held-out pairs as one batch, the chosen answers first; None where there are none."""
    if not pairs:
        return None
    documents = Encoded(pair_documents(pairs, "", ""), "held-out", tokenizer)
    longest = int(min(documents.lengths.max(), recipe.sequence_length))
    order = PairOrder(documents.lengths, seed=0, sequence_length=longest, batch_size=len(pairs))
    return read_batch(
        documents, order, 0, batch_size=2 * len(pairs), sequence_length=longest, padding=padding
    )
