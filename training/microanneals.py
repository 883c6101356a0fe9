"""Microanneals as jobs: whether a candidate data set helps a checkpoint, and what came of it."""

import json
from collections.abc import Mapping
from typing import Any

from accounts.audit import Actor
from accounts.models import User
from tracing.models import Store
from training.core.bounds import build
from training.core.errors import JobError
from training.core.recipe import MicroannealRecipe
from training.core.recipe_files import recipe_table
from training.fine_tuning.checks import free_name
from training.fine_tuning.defaults import carried
from training.fine_tuning.services import begin
from training.models import Checkpoint, Job

STAGE = "microanneal"
SIZES = ("sequence_length", "batch_size", "micro_batch_size")
"""Settings that a run which goes on with the parent's kind of data takes from it, too."""


def start_microanneal(
    *,
    parent: Checkpoint,
    candidate: Store,
    web: Store,
    settings: Mapping[str, Any] | None = None,
    name: str = "",
    owner: User | None = None,
    by: Actor | None = None,
) -> Job:
    """A queued microanneal of `parent`: does `candidate` help it, against `web` alone?

    `settings` are those of MicroannealRecipe; the sequence length, batch and kernel are the parent's own
    where they leave them out. Raises RecipeError or JobError, with nothing begun.
    """
    for store in (candidate, web):
        if store.tokenizer != parent.tokenizer:
            raise JobError(f"{store.name} is not in the tokens of {parent}: build it with that tokenizer")
    own = carried(parent) | carried(parent, SIZES)
    table = {**own, **(settings or {}), "store": web.name, "candidate": candidate.name}
    recipe = build(MicroannealRecipe, table, "settings")
    name = free_name(name or parent.name[:36].rstrip("-"), STAGE, is_chosen=bool(name))
    fields = {"stage": STAGE, "parent": parent, "owner": owner, "dataset": None}
    return begin(name, by=by, config=recipe_table(recipe), planned_s=recipe.planned_s, **fields)


def read_verdicts(job: Job) -> list[dict[str, Any]]:
    """What a finished microanneal found, task by task and over all problems. Raises JobError where it has
    found nothing yet."""
    path = job.directory / "verdict.json"
    try:
        verdicts: list[dict[str, Any]] = json.loads(path.read_text("utf-8"))["verdicts"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise JobError(f"{job} has no verdict ({error}): it has to end first") from error
    return verdicts
