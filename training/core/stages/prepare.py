"""Prepare: the tokenizer, and the token stores of all four training stages with their suffix arrays.

What is published already is kept: killed at any moment, the next run goes on with the part that was under
way.
"""

import random

from tokenizers import Tokenizer

from tracing.core.building.partial import PartialDirectory
from tracing.core.building.writer import StoreWriter
from tracing.core.stores.store import TokenStore
from tracing.core.text.tokenizer import TextTokenizer
from training.core.chat import PLAIN
from training.core.corpus import Corpus, generator, licences
from training.core.errors import RecipeError
from training.core.job import Job
from training.core.library import Library
from training.core.passages import corpus_name
from training.core.popular import choose_entries
from training.core.recipe import PrepareRecipe
from training.core.stages.steps import Steps
from training.core.tokenizer import save_tokenizer, train_tokenizer
from training.core.writing import write_documents

STAGES = ("pretrain", "midtrain", "think-sft", "instruct-sft")
PARTS = ("library", "tokenizer")
# Shares of the time, as measured: seconds on two cores.
WEIGHTS = {
    "library": 7.0,
    "tokenizer": 2.0,
    "pretrain": 3.0,
    "midtrain": 0.5,
    "think-sft": 0.5,
    "instruct-sft": 0.5,
    "long-context": 1.5,
}
TOKENIZER_DOCUMENTS = 12_000  # a sample is enough to count pairs in


def run(job: Job) -> None:
    recipe = job.config.recipe
    if not isinstance(recipe, PrepareRecipe):
        raise RecipeError(f"prepare got the recipe of another stage: {type(recipe).__name__}")
    stages = (*STAGES, "long-context") if recipe.long_documents else STAGES
    steps = Steps(job.events, {name: weight for name, weight in WEIGHTS.items() if name in (*PARTS, *stages)})
    with steps.step("library"):
        library = Library(modules=recipe.modules)
        entries = choose_entries(library, recipe.library_questions)
        corpus = Corpus(library, entries, recipe)
    job.events.log(f"{corpus_name()}: {len(library.sources)} files; {len(entries)} functions to know")
    with steps.step("tokenizer"):
        tokenizer = make_tokenizer(job, corpus, recipe)
    for stage in stages:
        with steps.step(stage):
            make_store(job, corpus, stage, tokenizer, recipe)
    steps.finish()


def make_tokenizer(job: Job, corpus: Corpus, recipe: PrepareRecipe) -> TextTokenizer:
    """Train and publish the flow's tokenizer, unless it is there."""
    folder = job.tokenizer_folder
    if not folder.exists():
        documents = list(corpus.documents("pretrain"))
        sample = random.Random(recipe.seed).sample(documents, min(len(documents), TOKENIZER_DOCUMENTS))
        trained = train_tokenizer((document.text for document in sample), recipe.vocabulary_size)
        partial = PartialDirectory(folder)
        with partial.guard("publishing the tokenizer"):
            save_tokenizer(trained, partial.path, chat=PLAIN)
            partial.publish()
    job.events.write("tokenizer", name=folder.name, path=str(folder))
    return TextTokenizer.open(folder)


def make_store(job: Job, corpus: Corpus, stage: str, tokenizer: TextTokenizer, recipe: PrepareRecipe) -> None:
    """Write and publish the store of a stage, unless it is there with this tokenizer."""
    name = job.store_name(stage)
    folder = job.store_folder(name)
    if folder.exists():
        TokenStore.open(folder, tokenizer=tokenizer.digest).close()
    else:
        documents = list(corpus.documents(stage))
        with StoreWriter(
            folder,
            name=name,
            tokenizer=tokenizer.digest,
            dtype="u16",
            stage=stage,
            source=f"{corpus_name()} and generated lessons",
            licence=licences(),
            generator=generator(recipe, (document.kind for document in documents)),
        ) as writer:
            trained = Tokenizer.from_file(str(job.tokenizer_folder / "tokenizer.json"))
            write_documents(writer, documents, stage, trained)
            manifest = writer.publish()
        job.events.log(f"{name}: {manifest.documents} documents, {manifest.tokens} tokens")
    job.events.write("store", name=name, path=str(folder), stage=stage)
