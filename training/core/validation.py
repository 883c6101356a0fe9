"""Rows that a model is measured on while it trains, and that it never learns."""

# ruff: noqa: N806  (capitals at the end of a name are the array's shape)

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from tracing.core.stores.store import TokenStore
from tracing.core.text.tokenizer import TextTokenizer
from training.core.evaluation.exam import Scores
from training.core.held_out import mean_loss
from training.core.job import Job
from training.core.recipe import ThinkSftRecipe

DOCUMENTS_MOST = 200
TIMES = 10
"""That it is told of on the way, at about even distances."""

Validate = Callable[[], Scores]


@contextmanager
def validating(job: Job, recipe: ThinkSftRecipe, model: Any, padding: int) -> Iterator[Validate | None]:
    """`validation_loss` of the model as it is, in nats a labelled token of at most DOCUMENTS_MOST documents
    of the store, evenly spaced; None where the recipe names no store.

    Raises StoreError where the store cannot be read, or is of another tokenizer."""
    if not recipe.validation_store:
        yield None
        return
    digest = TextTokenizer.open(job.tokenizer_folder).digest
    with TokenStore.open(job.store_folder(recipe.validation_store), tokenizer=digest) as store:
        count = min(DOCUMENTS_MOST, store.documents)
        documents_N = np.linspace(0, store.documents - 1, count).astype(np.int64)

        def validate() -> Scores:
            loss = mean_loss(model, store, documents_N, recipe.sequence_length, padding)
            return {} if loss is None else {"validation_loss": loss}

        yield validate


def is_due(done: int, steps: int, every: int) -> bool:
    """Whether it is time after so many steps, of those after which there is a line of metrics anyway: each
    `every` steps, and after the last."""
    lines = max(1, math.ceil(steps / every / TIMES))
    return done == steps or done % (every * lines) == 0
