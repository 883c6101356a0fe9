"""The sources of prompts that a recipe names, opened."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tracing.core.stores.store import TokenStore
from tracing.core.text.tokenizer import TextTokenizer
from training.core.arithmetic import Range
from training.core.errors import CheckpointError, TrainingError
from training.core.job import Job
from training.core.recipe import PromptSource, RlvrRecipe
from training.core.stages.setup import numbers_of, store_of_sums


@dataclass(frozen=True)
class Sources:
    """What there is to ask: stores of prompts with their weights, and how much sums weigh beside them.

    `sums` is the store that the checkpoint learned sums from, also where none are asked: it is then examined
    on them. None where it learned none."""

    stores: tuple[tuple[TokenStore, float], ...]
    sums: TokenStore | None
    sums_weight: float

    @property
    def first(self) -> TokenStore:
        """The one whose tokenizer all of them share."""
        return self.stores[0][0] if self.stores else self._of_sums()

    @property
    def numbers(self) -> Range:
        """The range of the sums."""
        numbers = numbers_of(self._of_sums())
        assert numbers is not None  # that is how the store was found
        return numbers

    def _of_sums(self) -> TokenStore:
        assert self.sums is not None  # where sums are asked, opening fails without
        return self.sums


@contextmanager
def open_sources(job: Job, recipe: RlvrRecipe) -> Iterator[Sources]:
    """Raises TrainingError where sums are to be asked and the checkpoint knows none, StoreError for a store
    that cannot be read or is of another tokenizer."""
    named = recipe.sources or (PromptSource(recipe.store),)
    digest = TextTokenizer.open(job.tokenizer_folder).digest
    opened = list[TokenStore]()
    try:
        sums_weight = sum(source.weight for source in named if not source.store)
        sums = sums_of(job, required=sums_weight > 0)
        opened += [sums] if sums else []
        stores = list[tuple[TokenStore, float]]()
        for source in named:
            if source.store:
                opened.append(TokenStore.open(job.store_folder(source.store), tokenizer=digest))
                stores.append((opened[-1], source.weight))
        yield Sources(tuple(stores), sums, sums_weight)
    finally:
        for store in opened:
            store.close()


def sums_of(job: Job, *, required: bool) -> TokenStore | None:
    try:
        return store_of_sums(job)
    except CheckpointError:
        raise
    except TrainingError:
        if required:
            raise
        return None


def warner(job: Job) -> Callable[[str], None]:
    return lambda text: job.events.log(text, "warning")
