"""Jobs as their pages show them."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet

from accounts.models import AuditEntry
from training.charts import Chart, job_charts
from training.journal import LogLine, read_log, read_metrics
from training.models import Checkpoint, Job, JobState
from training.overview import StoreView, share_of, store_view, stores_of, stores_planned
from training.rollouts.counts import RolloutCounts, rollout_counts

CURVE_POINTS = 240
LOG_LINES = 120
ENDED = (JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED)
SCORES = {
    "held_out_loss": "loss on documents held out",
    "validation_loss": "loss on the validation data",
    "pairs": "pairs held out, chosen preferred",
    "greedy": "held-out sums, greedy",
    "sampled": "held-out sums, sampled",
    "well_formed": "well-formed thinking",
    "mean_tokens": "tokens an answer",
    "recited": "library answers to the letter",
}
AMOUNTS = {
    "held_out_loss": "{:.3f}",
    "validation_loss": "{:.3f}",
    "mean_tokens": "{:.1f}",
    "recited": "{:.0f}",
}
"""Scores that are no shares."""


@dataclass(frozen=True)
class ScoreRow:
    """A score of the model before the job and of each of its checkpoints, as it is written."""

    words: str
    values: list[str]


@dataclass(frozen=True)
class JobView:
    """Everything on a job's page."""

    job: Job
    share: float
    charts: list[Chart]
    log: list[LogLine]
    stores: list[StoreView]
    checkpoints: list[Checkpoint]
    columns: list[str]
    scores: list[ScoreRow]
    rollouts: RolloutCounts | None
    settings: list[tuple[str, str]]
    acts: list[AuditEntry]

    @property
    def final(self) -> Checkpoint | None:
        """The latest checkpoint, to chat with and to run on from."""
        return self.checkpoints[-1] if self.checkpoints else None

    @property
    def live(self) -> bool:
        """Whether anything may change without a person."""
        return self.job.state not in ENDED and self.job.state != JobState.PAUSED

    @property
    def can_pause(self) -> bool:
        return self.job.state in (JobState.QUEUED, JobState.RUNNING) and not self.job.wanted

    @property
    def can_resume(self) -> bool:
        return self.job.state in (JobState.PAUSED, JobState.FAILED) or self.job.wanted == "pause"

    @property
    def can_cancel(self) -> bool:
        waits_to_publish = self.job.state == JobState.QUEUED and self.job.wanted == "cancel"
        return self.job.state not in ENDED and (self.job.wanted != "cancel" or waits_to_publish)


def listed_jobs() -> QuerySet[Job]:
    """All jobs, those of fine-tunes and of flows, the newest first."""
    return Job.objects.select_related("flow", "parent", "owner", "dataset", "validation").order_by("-pk")


def job_view(job: Job) -> JobView:
    """One job, from its row, its files and its checkpoints."""
    checkpoints = list(job.checkpoints.order_by("step").prefetch_related("stores"))
    stores = stores_of(checkpoints) or list(stores_planned([job]).values())
    before = starting_scores(job, checkpoints)
    columns = ["before", *(f"step {checkpoint.step:,}" for checkpoint in checkpoints)] if checkpoints else []
    return JobView(
        job=job,
        share=share_of(job),
        charts=job_charts(read_metrics(job, max_points=CURVE_POINTS)),
        log=read_log(job, tail=LOG_LINES),
        stores=[store_view(store) for store in stores],
        checkpoints=checkpoints,
        columns=columns,
        scores=score_rows([before, *(checkpoint.scores for checkpoint in checkpoints)]),
        rollouts=rollout_counts(job),
        settings=shown_settings(job.config),
        acts=list(AuditEntry.objects.filter(object_type="job", object_id=str(job.pk))[:20]),
    )


def starting_scores(job: Job, checkpoints: list[Checkpoint]) -> dict[str, Any]:
    """What its start scored: measured by the job itself, or when that was published."""
    metrics = checkpoints[0].metrics if checkpoints else {}
    own = {key.removesuffix("_before"): score for key, score in metrics.items() if key.endswith("_before")}
    return {**(job.parent.scores if job.parent else {}), **own}


def score_rows(columns: list[dict[str, Any]]) -> list[ScoreRow]:
    """The scores that some checkpoint has, in words."""
    known = [name for name in SCORES if any(name in scores for scores in columns[1:])]
    return [ScoreRow(SCORES[name], [written(name, scores) for scores in columns]) for name in known]


def written(name: str, scores: dict[str, Any]) -> str:
    if not isinstance(value := scores.get(name), int | float):
        return "–"
    return AMOUNTS[name].format(value) if name in AMOUNTS else f"{100 * value:.0f} %"


def shown_settings(config: dict[str, Any]) -> list[tuple[str, str]]:
    """The settings that say something: not what is empty or off."""
    return [(name.replace("_", " "), text) for name, value in config.items() if (text := shown(value))]


def shown(value: object) -> str:
    if value in (None, "", False, [], {}):
        return ""
    if isinstance(value, dict):
        return ", ".join(f"{key} {shown(each)}" for key, each in value.items() if shown(each))
    return ", ".join(map(shown, value)) if isinstance(value, list) else str(value)


def shares(jobs: Iterable[Job]) -> list[tuple[Job, float]]:
    return [(job, share_of(job)) for job in jobs]
