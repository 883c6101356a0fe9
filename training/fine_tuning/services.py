"""What pages, programs and commands ask of fine-tunes. Each is a flow of one job, whose stage reads one store
from one checkpoint."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.audit import Actor
from accounts.models import User
from tracing.models import Store
from training.core.errors import JobError
from training.fine_tuning.acts import log_act
from training.fine_tuning.checks import check_data, check_parent, check_validation, free_name
from training.fine_tuning.completing import Asked, completed, recipe_for
from training.fine_tuning.stages import stage_for
from training.jobs import enqueue, send_later
from training.models import Checkpoint, Dataset, Flow, Job, JobState
from training.steering import cancel_job, pause_job, resume_job

OF_THE_DATA = {"store", "validation_store", "adapter"}
"""Settings that a clone gets from its own data, or as an argument."""

__all__ = ["cancel_job", "clone_job", "pause_job", "resume_job", "start_fine_tune"]


def start_fine_tune(
    *,
    owner: User | None,
    parent: Checkpoint,
    stage: str,
    dataset: Dataset | None = None,
    store: Store | None = None,
    validation: Dataset | None = None,
    settings: Mapping[str, Any] | None = None,
    passes: int = 0,
    name: str = "",
    adapter: Mapping[str, Any] | None = None,
    by: Actor | None = None,
    later: bool = False,
) -> Job:
    """A queued job that runs `stage` from `parent` over the data set or the store; of RLVR without either,
    over the sums that the parent was taught.

    `settings` are those of the stage's recipe; what they leave out is scaled to the data. `passes` says the
    steps of reinforcement in times through the prompts; `validation` is measured on, and never learned.
    `name` is the prefix of its checkpoints' names (by default made from the parent's); `adapter` makes it
    LoRA; `by` is who is on record for it. With `later` a worker makes the data set's token store and
    completes the settings, and the job is validating until then. Raises TrainingError or StoreError, with
    nothing begun.
    """
    choice = stage_for(parent, stage)
    check_parent(parent)
    check_data(choice, parent, dataset, store)
    if validation is not None:
        check_validation(choice, validation)
    name = free_name(name or f"{parent.name[:30].rstrip('-')}-tune", stage, is_chosen=bool(name))
    asked = Asked(dict(settings or {}), None if adapter is None else dict(adapter), passes)
    fields: dict[str, Any] = {"stage": stage, "parent": parent, "dataset": dataset, "validation": validation}
    if later and dataset is not None:
        recipe_for(stage, parent, None, asked)  # which refuses what no data would make right
        waiting = {"state": JobState.VALIDATING, "asked": asdict(asked)}
        return begin(name, by=by, owner=owner, **fields, **waiting)
    return begin(name, by=by, owner=owner, **fields, **completed(asked=asked, store=store, **fields))


def begin(name: str, *, by: Actor | None = None, **fields: Any) -> Job:
    """The flow and its job, queued, on record. Raises JobError where another took the name meanwhile."""
    try:
        with transaction.atomic():
            flow = Flow.objects.create(name=name, recipe="")
            job = Job.objects.create(flow=flow, position=0, enqueued_at=timezone.now(), **fields)
            if job.state == JobState.VALIDATING:
                send_later(job)
            else:
                enqueue(job)
            if by is not None:
                log_act(job, "start job", by=by)
    except IntegrityError as error:
        raise JobError(f"the name {name} is taken: choose another") from error
    job.refresh_from_db()
    return job


def clone_job(job: Job, changes: Mapping[str, Any] | None = None) -> Job:
    """A new job like this one: `changes` are arguments of start_fine_tune, `settings` among them merged with
    the job's own. Raises as that does."""
    if job.parent is None:
        raise JobError(f"{job} is a stage of a flow: start its recipe under another name instead")
    changes = dict(changes or {})
    own = {key: value for key, value in job.config.items() if key not in OF_THE_DATA}
    arguments: dict[str, Any] = {
        "owner": job.owner,
        "parent": job.parent,
        "stage": job.stage,
        "dataset": job.dataset,
        "validation": job.validation,
        "store": None if job.dataset else store_of(job),
        "adapter": job.config.get("adapter"),
    }
    if "dataset" in changes or "store" in changes:
        arguments |= {"dataset": None, "store": None}
    settings = {**own, **changes.pop("settings", {})}
    return start_fine_tune(**{**arguments, **changes, "settings": settings})


def store_of(job: Job) -> Store | None:
    """The store that a fine-tune reads, if it reads one. Raises JobError where it is gone."""
    name = job.config.get("store", "")
    store = Store.objects.filter(name=name).first()
    if name and store is None:
        raise JobError(f"{job} read the store {name}, which is no more: choose other data")
    return store
