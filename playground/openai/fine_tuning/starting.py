"""A program's request becomes a fine-tune: OpenAI's words in those of a recipe."""

import re
from dataclasses import dataclass
from typing import Any

from accounts.audit import Actor
from accounts.models import User
from playground.models import FineTuneRequest
from playground.openai.errors import ApiError
from playground.openai.files import details, own_file
from playground.openai.fine_tuning.bodies import CreateJob, Hyperparameters
from playground.openai.models import find_checkpoint
from training.core.chat import CHATML
from training.core.recipe import RlvrRecipe
from training.datasets.models import Dataset, DatasetState
from training.datasets.validation import check_here
from training.fine_tuning.checks import free_name
from training.fine_tuning.defaults import default_settings
from training.fine_tuning.services import start_fine_tune
from training.models import Checkpoint, Job

SUFFIX_CHARACTERS_MAX = 20
PARENT_CHARACTERS_MAX = 15


@dataclass(frozen=True)
class Asked:
    """What was asked for, found and checked."""

    body: CreateJob
    parent: Checkpoint
    dataset: Dataset
    stage: str


def start_job(body: CreateJob, user: User, by: Actor) -> Job:
    """The job, queued. Raises ApiError, TrainingError or TracingError, with nothing begun."""
    parent = find_checkpoint(body.model, user)
    dataset = checked_file(body.training_file, user, "training_file")
    validation = None
    if body.validation_file is not None:
        validation = checked_file(body.validation_file, user, "validation_file")
    asked = Asked(body, parent, dataset, body.stage or stage_of(body.chosen[0], parent, dataset))
    job = start_fine_tune(
        owner=user,
        parent=parent,
        stage=asked.stage,
        dataset=dataset,
        validation=validation,
        settings=settings_of(asked),
        passes=passes_of(body),
        name=name_of(parent, asked.stage, body.suffix),
        adapter=body.adapter,
        by=by,
        later=True,
    )
    FineTuneRequest.objects.create(job=job, method=body.chosen[0], body=kept(body))
    return job


def checked_file(file_id: str, user: User, param: str) -> Dataset:
    """The file, all rows checked: here and now where no worker has got to a small one. Raises ApiError."""
    dataset = own_file(file_id, user, param)
    if not dataset.is_ready:
        dataset = check_here(dataset)
    if dataset.state in (DatasetState.WAITING, DatasetState.CHECKING):
        message = f"{dataset.public_id} is still being checked: ask again when its status is processed."
        raise ApiError(409, message, code="file_not_ready", param=param)
    if not dataset.is_ready:
        message = f"{dataset.public_id} cannot be used: {details(dataset)}"
        raise ApiError(400, message, code=f"invalid_{param}", param=param)
    return dataset


def stage_of(method: str, parent: Checkpoint, dataset: Dataset) -> str:
    """The stage that does what the method says, of the kind that the checkpoint or the data is."""
    if method == "supervised":
        return "think-sft" if dataset.report.get("thinks") else "instruct-sft"
    if method == "dpo":
        return "think-dpo" if parent.thinking else "instruct-dpo"
    if parent.chat != CHATML:
        return "rl-zero"
    return "think-rlvr" if parent.thinking else "instruct-rlvr"


def settings_of(asked: Asked) -> dict[str, Any]:
    """Settings of the stage's recipe that the request says; what it leaves to "auto" is not among them."""
    _, chosen = asked.body.chosen
    given = {k: v for k, v in chosen.model_dump().items() if v not in (None, "auto")}
    settings: dict[str, Any] = {"seed": asked.body.seed} if asked.body.seed is not None else {}
    if "batch_size" in given:
        settings["batch_size"] = given["batch_size"]
    if "beta" in given:
        settings["beta"] = float(given["beta"])
    if "learning_rate_multiplier" in given:
        settings |= rates(asked, float(given["learning_rate_multiplier"]))
    if "compute_multiplier" in given:
        settings["answers"] = max(2, round(RlvrRecipe.answers * given["compute_multiplier"]))
    if "n_epochs" in given and asked.body.chosen[0] != "reinforcement":
        settings |= {"epochs": float(given["n_epochs"]), "tokens": 0}
    return settings | asked.body.settings


def rates(asked: Asked, factor: float) -> dict[str, float]:
    """The usual rate for this checkpoint, times the factor."""
    usual = default_settings(stage=asked.stage, parent=asked.parent, store=None)
    rated = {name: usual[name] * factor for name in ("learning_rate", "final_learning_rate") if name in usual}
    return {name: float(f"{rate:.6g}") for name, rate in rated.items()}


def passes_of(body: CreateJob) -> int:
    """Times through the prompts, of reinforcement, whose recipe counts steps; 0 where nobody said."""
    method, chosen = body.chosen
    return chosen.n_epochs if method == "reinforcement" and isinstance(chosen.n_epochs, int) else 0


def name_of(parent: Checkpoint, stage: str, suffix: str | None) -> str:
    """A free name: the parent's and the suffix, of the letters that names may have."""
    words = re.sub(r"[^a-z0-9]+", "-", (suffix or "tune").lower()).strip("-") or "tune"
    start = parent.name[:PARENT_CHARACTERS_MAX].strip("-")
    return free_name(f"{start}-{words[:SUFFIX_CHARACTERS_MAX].strip('-')}", stage, is_chosen=False)


def kept(body: CreateJob) -> dict[str, Any]:
    """What is shown again with the job."""
    hyperparameters: Hyperparameters = body.chosen[1]
    return {
        "suffix": body.suffix,
        "metadata": body.metadata,
        "hyperparameters": hyperparameters.model_dump(exclude_none=True),
    }
