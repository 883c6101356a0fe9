"""What people do to a job: pause it, let it go on, cancel it.

Each is one conditional UPDATE, as all changes of a job are. A job that no worker holds changes at once; of a
running one it is only asked, and its worker does it at the end of a step: a paused job's state is saved and
its worker free, a cancelled one's last step is published as a checkpoint.
"""

from functools import partial

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from training.core.errors import JobError
from training.core.saved import newest_state
from training.jobs import again, send
from training.models import Job, JobState, Wanted


def pause_job(job: Job) -> Job:
    """Frees the job's worker, its state saved; one that is queued will not be begun. Raises JobError."""
    queued, running = Q(state=JobState.QUEUED), Q(state=JobState.RUNNING)
    not_ending = ~Q(wanted=Wanted.CANCEL)
    if not (
        moved(job, queued & not_ending, state=JobState.PAUSED)
        or moved(job, running & not_ending, wanted=Wanted.PAUSE)
    ):
        raise refusal(job, "paused", "one that is queued or runs can be")
    return job


def resume_job(job: Job) -> Job:
    """Queues a paused job, or one that failed, to go on from its last saved state; one that is being paused
    just goes on. Raises JobError."""
    pausing = Q(state=JobState.RUNNING, wanted=Wanted.PAUSE)
    fresh = {"state": again(), "finished_at": None, "enqueued_at": timezone.now(), "crashes": 0}
    with transaction.atomic():
        if moved(job, pausing, wanted=Wanted.NOTHING):
            return job
        if not moved(job, Q(state__in=[JobState.PAUSED, JobState.FAILED]), **fresh):
            raise refusal(job, "resumed", "one that is paused or failed can be")
        transaction.on_commit(partial(send, job.pk))
    return job


def cancel_job(job: Job) -> Job:
    """Ends the job for good. What it published stays; what it has learned since is published by the worker
    that runs it, or, of a paused or queued one with a saved state, by the next that is free. Where that takes
    too long, cancelling it once more ends it at once, without. Raises JobError."""
    idle = Q(state__in=[JobState.QUEUED, JobState.PAUSED, JobState.WAITING, JobState.VALIDATING])
    now = timezone.now()
    with transaction.atomic():
        if moved(job, Q(state=JobState.RUNNING), wanted=Wanted.CANCEL) or publish_first(job):
            return job
        if not moved(job, idle, state=JobState.CANCELLED, wanted=Wanted.NOTHING, finished_at=now):
            raise refusal(job, "cancelled", "one that has not ended yet can be")
    return job


def publish_first(job: Job) -> bool:
    """Whether a worker is to publish the job's saved state before it ends: where it has one, and this was not
    asked for already."""
    idle = Q(state__in=[JobState.QUEUED, JobState.PAUSED], wanted=Wanted.NOTHING)
    queued = {"state": JobState.QUEUED, "wanted": Wanted.CANCEL, "enqueued_at": timezone.now()}
    if not has_saved_state(job) or not moved(job, idle, **queued):
        return False
    transaction.on_commit(partial(send, job.pk))
    return True


def has_saved_state(job: Job) -> bool:
    """Whether the job has got anywhere that it could go on from."""
    return any(newest_state(folder) for folder in (job.directory, *job.directory.glob("run*")))


def moved(job: Job, condition: Q, **fields: object) -> bool:
    """Whether the job was so, and is changed. `job` is then brought up to date."""
    changed = Job.objects.filter(condition, pk=job.pk).update(**fields)
    if changed:
        job.refresh_from_db()
    return bool(changed)


def refusal(job: Job, done: str, which: str) -> JobError:
    job.refresh_from_db()
    return JobError(f"{job} is {job.condition}: it cannot be {done}; only {which}")
