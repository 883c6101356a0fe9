"""Jobs, their events and checkpoints in the forms of OpenAI's API, with fields of ours behind."""

import time
from typing import Any

from playground.models import FineTuneRequest
from training.models import Checkpoint, Job, JobState
from training.past_events import Place

METHODS = {"sft": "supervised", "dpo": "dpo", "rlvr": "reinforcement", "zero": "reinforcement"}
"""By the last word of a stage's name; any other stage is supervised."""
STATUS = {
    JobState.VALIDATING: "validating_files",
    JobState.WAITING: "queued",
    JobState.QUEUED: "queued",
}
EVENT_KINDS = frozenset({"log", "metric", "checkpoint", "failed", "done", "stopped"})
LEVELS = {"warning": "warn", "warn": "warn", "error": "error"}
NUMBERS = (
    "loss",
    "validation_loss",
    "learning_rate",
    "reward",
    "accuracy",
    "margin",
    "gradient_norm",
    "tokens",
    "tokens_per_s",
)


def job_object(job: Job) -> dict[str, Any]:
    """With flow, parent, both data sets and the request selected, and checkpoints prefetched."""
    asked = request_of(job)
    final = next((each for each in job.checkpoints.all() if each.final), None)
    ended = job.state in (JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED)
    parent = job.parent
    settings = job.asked["settings"] if job.asked else job.config
    return {
        "id": f"ftjob-{job.pk}",
        "object": "fine_tuning.job",
        "created_at": int(job.flow.created_at.timestamp()),
        "finished_at": int(job.finished_at.timestamp()) if job.finished_at and ended else None,
        "model": parent.name if parent else "",
        "fine_tuned_model": final.name if final and job.state == JobState.SUCCEEDED else None,
        "organization_id": "headwater",
        "status": STATUS.get(JobState(job.state), str(job.state)),
        "error": error_of(job),
        "training_file": job.dataset.public_id if job.dataset else "",
        "validation_file": job.validation.public_id if job.validation else None,
        "result_files": [],
        "hyperparameters": asked["hyperparameters"],
        "method": {asked["method"]: {"hyperparameters": asked["hyperparameters"]}, "type": asked["method"]},
        "seed": int(settings.get("seed") or 0),
        "trained_tokens": trained_tokens(final),
        "estimated_finish": estimated_finish(job),
        "integrations": [],
        "metadata": asked["metadata"],
        "user_provided_suffix": asked["suffix"],
        "stage": job.stage,
        "name": job.flow.name,
        "parent": parent.name if parent else None,
        "parent_digest": parent.digest if parent else None,
        "training_file_digest": job.dataset.digest if job.dataset else None,
        "store": job.config.get("store") or None,
        "fine_tuned_model_digest": final.digest if final else None,
        "condition": job.condition,
        "settings": settings,
    }


def request_of(job: Job) -> dict[str, Any]:
    """What a program asked for; of a job that was begun on a page, what that comes to."""
    asked = FineTuneRequest.objects.filter(job=job).first()
    if asked is not None:
        return {"method": asked.method, **asked.body}
    method = METHODS.get(job.stage.rsplit("-", 1)[-1], "supervised")
    hyperparameters = {"n_epochs": job.config.get("epochs"), "batch_size": job.config.get("batch_size")}
    return {"method": method, "suffix": None, "metadata": None, "hyperparameters": hyperparameters}


def error_of(job: Job) -> dict[str, Any] | None:
    if job.state != JobState.FAILED:
        return None
    return {"code": "job_failed", "message": job.error or "The job failed.", "param": None}


def trained_tokens(final: Checkpoint | None) -> int | None:
    tokens = (final.metrics.get("tokens") or final.cost.get("tokens")) if final else None
    return int(tokens) if tokens is not None else None


def estimated_finish(job: Job) -> int | None:
    return int(time.time() + job.eta_s) if job.state == JobState.RUNNING and job.eta_s is not None else None


def checkpoint_object(checkpoint: Checkpoint) -> dict[str, Any]:
    scores = checkpoint.scores
    return {
        "id": f"ftckpt-{checkpoint.pk}",
        "object": "fine_tuning.job.checkpoint",
        "created_at": int(checkpoint.created_at.timestamp()),
        "fine_tuned_model_checkpoint": checkpoint.name,
        "fine_tuning_job_id": f"ftjob-{checkpoint.job_id}",
        "step_number": checkpoint.step,
        "metrics": {
            "step": checkpoint.step,
            "train_loss": checkpoint.metrics.get("loss"),
            "full_valid_loss": scores.get("validation_loss", scores.get("held_out_loss")),
        },
        "digest": checkpoint.digest,
        "stage": checkpoint.stage,
        "final": checkpoint.final,
        "scores": checkpoint.scores,
    }


def event_object(job: Job, place: Place) -> dict[str, Any]:
    """An event, known by the byte of the job's file at which it begins."""
    event = place.event
    level, message, data = worded(event)
    return {
        "id": f"ftevent-{job.pk}-{place.offset}",
        "object": "fine_tuning.job.event",
        "created_at": int(event.get("t") or 0),
        "level": level,
        "message": message,
        "type": "metrics" if event["type"] == "metric" else "message",
        "data": data,
    }


def worded(event: dict[str, Any]) -> tuple[str, str, dict[str, Any]]:
    """Level, message and data of an event of EVENT_KINDS."""
    match event["type"]:
        case "metric":
            return "info", *metrics(event)
        case "log":
            return LEVELS.get(str(event.get("level")), "info"), str(event.get("text") or ""), {}
        case "checkpoint":
            name = str(event.get("path") or "").rsplit("/", 1)[-1]
            return "info", f"Checkpoint {name} was published.", {"fine_tuned_model_checkpoint": name}
        case "failed":
            return "error", str(event.get("error") or "The job failed."), {}
        case "stopped":
            return "info", f"The job stopped at step {event.get('step')}: {event.get('how')}.", {}
    return "info", "The job is done.", {}


def metrics(event: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """A step in words, and in numbers under OpenAI's names and ours."""
    given = {name: event[name] for name in NUMBERS if event.get(name) is not None}
    words = ", ".join(f"{name} {value:.4g}" for name, value in given.items() if name != "tokens")
    data = {"step": event.get("step"), **given}
    theirs = {"train_loss": "loss", "valid_loss": "validation_loss"}
    data |= {name: given[ours] for name, ours in theirs.items() if ours in given}
    return f"Step {event.get('step')}: {words}", data
