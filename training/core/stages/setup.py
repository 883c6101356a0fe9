"""What every training stage begins with: its store, the flow's tokenizer, the checkpoint it starts from."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

from tokenizers import Tokenizer

from tracing.core.errors import TracingError
from tracing.core.stores.store import TokenStore
from tracing.core.text.tokenizer import TextTokenizer
from training.core.arithmetic import Range
from training.core.checkpoints import CheckpointManifest, check_weights, read_checkpoint
from training.core.errors import CheckpointError, RecipeError, TrainingError
from training.core.evaluation.exam import Exam, Form, Scores, library_answers, recital
from training.core.functions import FUNCTIONS
from training.core.job import Job
from training.core.recipe import TrainRecipe
from training.core.tokenizer import open_tokenizer_file

R = TypeVar("R", bound=TrainRecipe)


def recipe_of(job: Job, kind: type[R]) -> R:
    if not isinstance(job.config.recipe, kind):
        raise RecipeError(
            f"{job.config.stage} got the recipe of another stage: {type(job.config.recipe).__name__}"
        )
    return job.config.recipe


def open_store(job: Job, recipe: TrainRecipe) -> TokenStore:
    """The store that the recipe names, or the flow's own for the stage; its tokenizer has to be the
    flow's."""
    folder = job.store_folder(recipe.store or job.store_name(job.config.stage))
    return TokenStore.open(folder, tokenizer=TextTokenizer.open(job.tokenizer_folder).digest)


def open_tokenizer(job: Job) -> Tokenizer:
    """The flow's tokenizer. Raises tracing's StoreMissing or StoreDamaged."""
    return open_tokenizer_file(job.tokenizer_folder)


def open_parent(job: Job, store: TokenStore) -> tuple[Path, CheckpointManifest]:
    """The checkpoint that the stage starts from. Raises CheckpointError where it is missing, damaged or of
    other token ids."""
    if job.config.parent is None:
        raise CheckpointError(f"{job.config.stage} starts from a checkpoint: name one as `parent`")
    folder = Path(job.config.parent)
    manifest = read_checkpoint(folder)
    if manifest.tokenizer != store.manifest.tokenizer:
        raise CheckpointError(
            f"{folder} speaks tokenizer {manifest.tokenizer}, the store {store.manifest.tokenizer}"
        )
    check_weights(folder, manifest)
    return folder, manifest


def teaches_functions(store: TokenStore) -> bool:
    """Whether the store was made of rows that offer functions, or call them."""
    return bool(store.manifest.generator.get(FUNCTIONS))


def store_of_sums(job: Job) -> TokenStore:
    """The first store with sums that the checkpoint to start from, or else its ancestors, was trained on.

    Raises CheckpointError where there is no such checkpoint, TrainingError where it was taught no sums.
    """
    for store in stores_behind(job):
        if numbers_of(store):
            return store
        store.close()
    raise TrainingError(
        f"{Path(job.config.parent or '').name} was taught no sums, so it cannot be asked any: start from a "
        "checkpoint that was"
    )


def library_behind(job: Job, tokenizer: Tokenizer) -> dict[str, str]:
    """The answers about the library that the checkpoint to start from was taught last; none where it was
    taught none. A later stage is measured on whether it kept them."""
    for store in stores_behind(job):
        with store:
            if answers := library_answers(store, tokenizer):
                return answers
    return {}


def stores_behind(job: Job) -> Iterator[TokenStore]:
    """What the checkpoint to start from, and then its ancestors, were trained on, opened; the caller
    closes."""
    if job.config.parent is None:
        raise CheckpointError(f"{job.config.stage} starts from a checkpoint: name one as `parent`")
    waiting = [Path(job.config.parent)]
    while waiting:
        manifest = read_checkpoint(waiting.pop(0))
        for read in manifest.stores:
            yield TokenStore.open(job.store_folder(read.name))
        waiting += [job.home / "checkpoints" / name for name in manifest.parents]


def taught_numbers(job: Job) -> Range | None:
    """The range of the sums that the checkpoint to start from was taught; None where it was taught none, or
    its data is not here."""
    try:
        with store_of_sums(job) as store:
            return numbers_of(store)
    except (TrainingError, TracingError):
        return None


def numbers_of(store: TokenStore) -> Range | None:
    """The range of the sums that the store teaches, if its generator says so."""
    arithmetic = store.manifest.generator.get("arithmetic")
    return Range(arithmetic["low"], arithmetic["high"]) if arithmetic else None


def arithmetic_scores(
    model: Any,
    tokenizer: Tokenizer,
    store: TokenStore,
    recipe: TrainRecipe,
    form: Form,
    *,
    final: bool,
    thinking: bool = False,
    numbers: Range | None = None,
) -> Scores:
    """Held-out sums of the range that the store teaches, or else of `numbers`; sampled as well as greedy at
    the end of the stage."""
    numbers = numbers_of(store) or numbers
    if numbers is None:
        return {}
    problems = recipe.held_out_problems if final else recipe.intermediate_problems
    return Exam(tokenizer, form, numbers, thinking).scores(model, problems, sampled=final)


def library_scores(model: Any, tokenizer: Tokenizer, store: TokenStore) -> Scores:
    """How many of the answers that the store teaches are recited to the letter."""
    return recital(model, tokenizer, library_answers(store, tokenizer))
