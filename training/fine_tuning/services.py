"""What pages, programs and commands ask of fine-tunes. Each is a flow of one job, whose stage reads one store
from one checkpoint."""

from collections.abc import Mapping
from typing import Any

from django.db import IntegrityError, transaction

from accounts.audit import Actor
from accounts.models import User
from tracing.models import Store
from training.core.bounds import build
from training.core.errors import JobError, RecipeError
from training.core.recipe_files import STAGES, check_name, recipe_table
from training.core.subset import split
from training.datasets import services as datasets
from training.fine_tuning.acts import log_act
from training.fine_tuning.defaults import default_settings
from training.fine_tuning.stages import StageChoice, stage_for
from training.jobs import enqueue
from training.models import Checkpoint, Dataset, Flow, Job
from training.steering import cancel_job, pause_job, resume_job
from training.verification import check_usable

__all__ = ["cancel_job", "clone_job", "pause_job", "resume_job", "start_fine_tune"]

NAME_CHARACTERS_MAX = 40


def start_fine_tune(
    *,
    owner: User | None,
    parent: Checkpoint,
    stage: str,
    dataset: Dataset | None = None,
    store: Store | None = None,
    settings: Mapping[str, Any] | None = None,
    name: str = "",
    adapter: Mapping[str, Any] | None = None,
    by: Actor | None = None,
) -> Job:
    """A queued job that runs `stage` from `parent` over the data set or the store; of RLVR without either,
    over the sums that the parent was taught.

    `settings` are those of the stage's recipe; what they leave out is scaled to the data. `name` is the
    prefix of its checkpoints' names (by default made from the parent's); `adapter` makes it LoRA; `by` is
    who is on record for it. Raises TrainingError or StoreError, with nothing begun.
    """
    choice = stage_for(parent, stage)
    if not parent.path.is_dir():
        raise JobError(f"the files of {parent} are not on this machine: put them back, or choose another")
    check_usable(parent)
    check_data(choice, parent, dataset, store)
    name = free_name(name or f"{parent.name[:30].rstrip('-')}-tune", stage, is_chosen=bool(name))
    if dataset is not None:
        store = datasets.ready_store(dataset=dataset, checkpoint=parent)
    table = {**default_settings(stage=stage, parent=parent, store=store), **(settings or {})}
    table |= {"store": store.name if store else ""} | (
        {"adapter": dict(adapter)} if adapter is not None else {}
    )
    recipe = build(STAGES[stage], table, "settings")
    if store is not None and recipe.held_out:
        is_pairs = recipe.packing == "pairs"
        split(store.documents, recipe.held_out, pairs=is_pairs)  # which refuses to hold everything out
    fields = {"stage": stage, "parent": parent, "owner": owner, "dataset": dataset}
    return begin(name, by=by, config=recipe_table(recipe), planned_s=recipe.planned_s, **fields)


def begin(name: str, *, by: Actor | None = None, **fields: Any) -> Job:
    """The flow and its job, queued, on record. Raises JobError where another took the name meanwhile."""
    try:
        with transaction.atomic():
            flow = Flow.objects.create(name=name, recipe="")
            job = Job.objects.create(flow=flow, position=0, **fields)
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
    own = {key: value for key, value in job.config.items() if key not in {"store", "adapter"}}
    arguments: dict[str, Any] = {
        "owner": job.owner,
        "parent": job.parent,
        "stage": job.stage,
        "dataset": job.dataset,
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


def check_data(choice: StageChoice, parent: Checkpoint, dataset: Dataset | None, store: Store | None) -> None:
    """Raises JobError unless the stage can read this data from this checkpoint."""
    if dataset is not None and store is not None:
        raise JobError("choose a data set or a store, not both")
    if dataset is not None:
        check_dataset(choice, dataset)
    elif store is not None:
        check_store(choice, parent, store)
    elif not choice.makes_its_own_data:
        raise JobError(f"{choice.name} needs data to learn from: choose a data set or a store")


def check_dataset(choice: StageChoice, dataset: Dataset) -> None:
    if choice.format is None:
        raise JobError(f"{choice.name} reads a corpus, not an upload: choose a store of plain text")
    if not dataset.is_ready:
        raise JobError(
            f"the data set {dataset.name!r} is {dataset.get_state_display()}: it cannot be used yet"
        )
    if dataset.format != choice.format:
        raise JobError(
            f"{choice.name} reads {choice.format.label}; {dataset.name!r} holds "
            f"{dataset.get_format_display()}: choose another data set or stage"
        )


def check_store(choice: StageChoice, parent: Checkpoint, store: Store) -> None:
    if not store.is_here:
        raise JobError(f"the store {store} is not on this machine: put it back, or choose another")
    if store.tokenizer != parent.tokenizer:
        raise JobError(
            f"the store {store} has the token ids of another tokenizer than {parent}'s: import its corpus "
            "with that checkpoint's tokenizer"
        )
    if store.stage not in choice.stores_of:
        raise JobError(f"{choice.name} cannot read {store}, a store for {store.stage}: choose another")


def free_name(name: str, stage: str, *, is_chosen: bool) -> str:
    """The name, checked; with a number behind it where nobody chose it and it is taken. Raises RecipeError or
    JobError."""
    check_name(name)
    if len(name) > NAME_CHARACTERS_MAX:
        raise RecipeError(f"the name {name!r} is longer than {NAME_CHARACTERS_MAX} characters: shorten it")
    taken = set(Flow.objects.filter(name__startswith=name).values_list("name", flat=True))
    made = Checkpoint.objects.filter(name__startswith=name, name__endswith=f"-{stage}")
    taken |= {found.removesuffix(f"-{stage}") for found in made.values_list("name", flat=True)}
    if name not in taken:
        return name
    if is_chosen:
        raise JobError(f"the name {name} is taken: choose another")
    return next(free for number in range(2, len(taken) + 3) if (free := f"{name}-{number}") not in taken)
