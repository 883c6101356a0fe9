"""What administrators do to jobs, each act on record with it."""

from collections.abc import Callable

from django.db import transaction

from accounts.audit import Actor, record_act
from training.models import Job
from training.steering import cancel_job, pause_job, resume_job

ACTS: dict[str, Callable[[Job], Job]] = {"pause": pause_job, "resume": resume_job, "cancel": cancel_job}


def steer_job(job: Job, act: str, *, by: Actor) -> Job:
    """Pause, resume or cancel it. Raises JobError, and then nothing is on record."""
    with transaction.atomic():
        ACTS[act](job)
        log_act(job, f"{act} job", by=by)
    return job


def log_act(job: Job, action: str, *, by: Actor) -> None:
    """In the transaction of the act itself."""
    detail = {"stage": job.stage, "parent": job.parent.name if job.parent else ""}
    record_act(by=by, action=action, object_type="job", object_id=job.pk, label=str(job), detail=detail)
