"""The flow as people see it, in browser and terminal: stages, shares, times, data and checkpoints."""

from collections.abc import Iterable
from dataclasses import dataclass

from tracing.models import Store
from training.journal import LogLine, Series, read_log, read_metrics
from training.models import Checkpoint, Flow, Job, JobState

__all__ = [
    "FlowOverview",
    "LogLine",
    "Series",
    "StageView",
    "StoreView",
    "flow_overview",
    "read_log",
    "read_metrics",
]


@dataclass(frozen=True)
class StoreView:
    """A token store that a stage is trained on."""

    name: str
    documents: int
    tokens: int
    source: str
    licence: str


@dataclass(frozen=True)
class StageView:
    """One stage. `share` is how much of it is done, 0 to 1; times in seconds, None where nobody knows."""

    job: Job
    state: str
    share: float
    eta_s: float | None
    elapsed_s: float | None
    trained_on: list[StoreView]
    checkpoints: list[Checkpoint]
    latest: dict[str, float]
    scores: dict[str, float]

    @property
    def final(self) -> Checkpoint | None:
        """The checkpoint that the stage ended with, once it has."""
        return next((checkpoint for checkpoint in self.checkpoints if checkpoint.final), None)


@dataclass(frozen=True)
class FlowOverview:
    """A whole flow. `share` weighs the stages by the time that the recipe plans for each."""

    flow: Flow
    stages: list[StageView]
    share: float
    eta_s: float | None
    elapsed_s: float

    @property
    def finished(self) -> bool:
        return all(stage.state == JobState.SUCCEEDED for stage in self.stages)

    @property
    def failed(self) -> bool:
        return any(stage.state == JobState.FAILED for stage in self.stages)

    @property
    def stopped(self) -> bool:
        """Whether nothing goes on until a person does something: a stage failed, is paused or cancelled."""
        ended = {JobState.FAILED, JobState.PAUSED, JobState.CANCELLED}
        return any(stage.state in ended for stage in self.stages)

    @property
    def current(self) -> StageView | None:
        """The stage that runs, failed or comes next; None when all are done."""
        return next((stage for stage in self.stages if stage.state != JobState.SUCCEEDED), None)


def flow_overview(flow: Flow) -> FlowOverview:
    """Everything that the flow page and `manage.py train` show, in four queries and what the journals add."""
    jobs = list(flow.jobs.select_related("flow").prefetch_related("checkpoints__stores"))
    pace, planned_stores = pace_of(jobs), stores_planned(jobs)
    stages = [stage_view(job, pace, planned_stores) for job in jobs]
    planned = sum(job.planned_s for job in jobs)
    share = (
        sum(s.share * s.job.planned_s for s in stages) / planned if planned else mean(s.share for s in stages)
    )
    etas = [stage.eta_s for stage in stages]
    eta_s = None if None in etas else sum(eta for eta in etas if eta is not None)
    return FlowOverview(flow, stages, share, eta_s, sum(stage.elapsed_s or 0 for stage in stages))


def pace_of(jobs: list[Job]) -> float:
    """How much longer than planned the finished stages took here, within reason; 1 before the first."""
    done = [job for job in jobs if job.state == JobState.SUCCEEDED and job.planned_s and job.elapsed_s]
    planned = sum(job.planned_s for job in done)
    return min(8.0, max(0.125, sum(job.elapsed_s or 0 for job in done) / planned)) if planned else 1.0


def stage_view(job: Job, pace: float, planned_stores: dict[str, Store]) -> StageView:
    checkpoints = list(job.checkpoints.all())
    scores = checkpoints[-1].scores if checkpoints else {}
    stores = stores_of(checkpoints) or [s for name, s in planned_stores.items() if name == store_name(job)]
    return StageView(
        job=job,
        state=job.state,
        share=share_of(job),
        eta_s=eta_of(job, pace),
        elapsed_s=job.elapsed_s,
        trained_on=[store_view(store) for store in stores],
        checkpoints=checkpoints,
        latest=read_metrics(job, max_points=1).latest(),
        scores=scores,
    )


def stores_planned(jobs: list[Job]) -> dict[str, Store]:
    """By name, the published stores that the stages are going to read, checkpoints or not."""
    names = [name for job in jobs if (name := store_name(job))]
    return {store.name: store for store in Store.objects.filter(name__in=names)}


def store_name(job: Job) -> str:
    """The store that a training stage reads: its recipe's, or else the flow's own for the stage."""
    return (job.config["store"] or f"{job.flow.name}-{job.stage}") if "store" in job.config else ""


def share_of(job: Job) -> float:
    if job.state == JobState.SUCCEEDED:
        return 1.0
    return min(1.0, job.done / job.total) if job.total else 0.0


def eta_of(job: Job, pace: float) -> float | None:
    """Seconds to the job's end: the child's own estimate while it runs, else what the recipe plans."""
    if job.state == JobState.SUCCEEDED:
        return 0.0
    if job.state in (JobState.FAILED, JobState.CANCELLED):
        return None
    if job.state == JobState.RUNNING and job.eta_s is not None:
        return job.eta_s
    return job.planned_s * pace * (1 - share_of(job)) if job.planned_s else None


def stores_of(checkpoints: Iterable[Checkpoint]) -> list[Store]:
    """The stores that the checkpoints were trained on, each once, in the order of their making."""
    stores = {store.pk: store for checkpoint in checkpoints for store in checkpoint.stores.all()}
    return [stores[key] for key in sorted(stores)]


def store_view(store: Store) -> StoreView:
    return StoreView(store.name, store.documents, store.tokens, store.source, store.licence)


def mean(values: Iterable[float]) -> float:
    listed = list(values)
    return sum(listed) / len(listed) if listed else 0.0
