"""What pages, programs and commands ask of training."""

from pathlib import Path

from django.db import transaction

from training.core.errors import RecipeError
from training.core.recipe import FlowRecipe
from training.core.recipe_files import check_name, flow_stages, load_flow, recipe_table, start_of
from training.jobs import enqueue, recover_jobs, retry_job
from training.models import Flow, Job, JobState
from training.steering import resume_job

__all__ = ["recover_jobs", "retry_job", "start_flow"]

NAME_CHARACTERS_MAX = 40


def start_flow(*, name: str | None = None, recipe: str = "demo") -> Flow:
    """The flow called `name` (by default as its recipe says), begun or going on.

    A new one gets a job for each stage of `recipe`, a name in training/recipes/ or the path of a TOML file.
    One that was begun before goes on, its failed stages tried again; a finished one is left alone. Raises
    RecipeError.
    """
    loaded = load_flow(recipe) if name is None else None
    name = loaded.name if loaded else checked_name(name or "")
    with transaction.atomic():
        flow = Flow.objects.filter(name=name).first() or begin_flow(name, recipe, loaded or load_flow(recipe))
        if flow.recipe != written(recipe):
            raise RecipeError(
                f"the flow {name} was begun with recipe {flow.recipe}: choose another name for this one"
            )
        go_on(flow)
    return flow


def checked_name(name: str) -> str:
    check_name(name)
    if len(name) > NAME_CHARACTERS_MAX:
        raise RecipeError(
            f"the name {name!r} is longer than {NAME_CHARACTERS_MAX} characters: choose a shorter one"
        )
    return name


def written(recipe: str) -> str:
    """A recipe's name, or its path from the root, wherever the command was typed."""
    return str(Path(recipe).resolve()) if recipe.endswith(".toml") else recipe


def begin_flow(name: str, recipe: str, loaded: FlowRecipe) -> Flow:
    """A new flow with its jobs, each after the one whose checkpoint it starts from."""
    flow = Flow.objects.create(name=name, recipe=written(recipe))
    jobs: dict[str, Job] = {}
    for position, (stage, settings) in enumerate(flow_stages(loaded)):
        jobs[stage] = Job.objects.create(
            flow=flow,
            stage=stage,
            position=position,
            after=jobs.get(start_of(stage, jobs) or ""),
            config=recipe_table(settings),
            planned_s=settings.planned_s,
        )
    return flow


def go_on(flow: Flow) -> None:
    """Queues what can run: the first stage, those whose stage before is done, and again those that failed or
    are paused. One that was cancelled stays so."""
    for job in flow.jobs.select_related("after"):
        if job.state in (JobState.FAILED, JobState.PAUSED):
            resume_job(job)
        elif job.state == JobState.WAITING and (job.after is None or job.after.state == JobState.SUCCEEDED):
            enqueue(job)
