"""The life of a job: waiting -> queued -> running -> succeeded, failed, paused or cancelled.

A fine-tune whose data is not a token store yet is validating first (fine_tuning/preparing.py).

Every change is one conditional UPDATE, so two processes that race for a job cannot both win. A worker holds a
job by a name of its own attempt (`Job.worker`) and a heartbeat; whoever finds the heartbeat old may queue the
job again, and the old worker's later writes then match no row.

What a person wants of a running job stands in `Job.wanted` until its worker, or whoever finds that dead, has
done it (see steering.py).
"""

import logging
from datetime import timedelta
from functools import partial

from celery import Task
from django.db import transaction
from django.db.models import Case, F, Q, Value, When
from django.utils import timezone
from kombu.exceptions import OperationalError as BrokerUnreachable

from training import workers
from training.models import Job, JobState, Wanted

log = logging.getLogger(__name__)

HEARTBEAT_STALE = timedelta(seconds=20)
MESSAGE_LOST = timedelta(seconds=60)
FRESH = timedelta(seconds=5)
CRASHES_ALLOWED = 3


class LostJob(Exception):
    """The job is no longer this worker's: another took it over, or a person stopped it."""


def enqueue(job: Job) -> None:
    """Queues a waiting job, or sends a queued job's message again, once the transaction commits."""
    waiting = Job.objects.filter(pk=job.pk, state__in=[JobState.WAITING, JobState.QUEUED])
    if waiting.update(state=JobState.QUEUED, enqueued_at=timezone.now()):
        transaction.on_commit(partial(send, job.pk))


def send_later(job: Job) -> None:
    """Sends its message once the transaction commits."""
    transaction.on_commit(partial(send, job.pk))


def send(job_id: int) -> None:
    """Sends a job's message to the workers: to prepare its data, or to run. Without a broker the job stays as
    it is, to be sent again later."""
    from training.tasks import prepare_job, run_job

    validating = Job.objects.filter(pk=job_id, state=JobState.VALIDATING).exists()
    deliver(prepare_job if validating else run_job, job_id)


def deliver(task: Task, job_id: int) -> None:
    try:
        task.delay(job_id)
    except BrokerUnreachable as error:
        log.warning("job %d stays queued: Redis does not answer (%s)", job_id, error)


def send_next() -> None:
    """Sends the message of the job that has been queued longest again, for a worker that got free."""
    waiting = Job.objects.filter(state=JobState.QUEUED, enqueued_at__lt=timezone.now() - FRESH)
    job = waiting.order_by("enqueued_at").first()
    if job is not None:
        send(job.pk)


def first_of_flow(job_id: int) -> int:
    """The queued job that comes first in the flow of this one: a message is worth a job of its flow, not that
    job. Else what branches off early would run before stages that were queued later but come first."""
    queued = Job.objects.filter(flow__jobs=job_id, state=JobState.QUEUED).order_by("position")
    return queued.values_list("pk", flat=True).first() or job_id


def claim(job_id: int) -> Job | None:
    """Takes a queued job for a new attempt, or None where it is not queued or another worker was faster."""
    worker, now = workers.new_name(), timezone.now()
    taken = Job.objects.filter(pk=job_id, state=JobState.QUEUED).update(
        state=JobState.RUNNING, worker=worker, heartbeat_at=now, attempts=F("attempts") + 1, error=""
    )
    if not taken:
        return None
    Job.objects.filter(pk=job_id, started_at=None).update(started_at=now)
    return Job.objects.select_related("flow", "after", "parent").get(pk=job_id)


def advance(job: Job, **fields: object) -> None:
    """Heartbeat of a running attempt, with whatever moved. Raises LostJob where another has the job."""
    change(job, heartbeat_at=timezone.now(), **fields)


def succeed(job: Job, *, cpu_s: float | None) -> None:
    """Ends a job well and queues the stages that waited for it. To pause or cancel it now is too late."""
    with transaction.atomic():
        ended = {"state": JobState.SUCCEEDED, "finished_at": timezone.now(), "wanted": Wanted.NOTHING}
        change(job, **ended, cpu_s=cpu_s, eta_s=0, crashes=0, error="")
        for follower in job.followers.filter(state=JobState.WAITING):
            enqueue(follower)


def fail(job: Job, reason: str) -> None:
    """Ends a job with the reason that a person reads; what it published stays."""
    ended = {"state": JobState.FAILED, "finished_at": timezone.now(), "wanted": Wanted.NOTHING}
    change(job, **ended, error=reason, eta_s=None)


def release(job: Job) -> None:
    """Gives a job back unharmed, as a worker does that is told to stop; the next one goes on from there. One
    that was to be paused or cancelled is."""
    with transaction.atomic():
        change(job, **as_asked(JobState.QUEUED), eta_s=None, enqueued_at=None)
        transaction.on_commit(partial(send, job.pk))


def stop_as_asked(job: Job, how: str) -> None:
    """Ends an attempt whose child has done what was asked: saved its state to `pause`, or published what it
    had to `cancel`. Where a person has asked for something else meanwhile, the job is queued for that."""
    left = Case(When(wanted=how, then=Value(Wanted.NOTHING)), default=F("wanted"))
    ended = {Wanted.PAUSE: JobState.PAUSED, Wanted.CANCEL: JobState.CANCELLED}[Wanted(how)]
    state = Case(When(wanted=how, then=Value(ended)), default=Value(JobState.QUEUED))
    with transaction.atomic():
        change(job, state=state, wanted=left, finished_at=timezone.now(), eta_s=None, enqueued_at=None)
        Job.objects.filter(pk=job.pk, state=JobState.QUEUED).update(finished_at=None)
        transaction.on_commit(partial(send, job.pk))


def as_asked(otherwise: JobState) -> dict[str, object]:
    """The fields of a job whose attempt has ended: paused or cancelled where a person wants that, which the
    same UPDATE reads, else in the state `otherwise`."""
    paused = When(wanted=Wanted.PAUSE, then=Value(JobState.PAUSED))
    cancelled = When(wanted=Wanted.CANCEL, then=Value(JobState.CANCELLED))
    ended = When(wanted=Wanted.NOTHING, then=F("finished_at"))
    return {
        "state": Case(paused, cancelled, default=Value(otherwise)),
        "finished_at": Case(ended, default=Value(timezone.now())),
        "wanted": Wanted.NOTHING,
    }


def crash(job: Job, reason: str) -> None:
    """Ends an attempt whose process died: queued again, or failed after three without progress."""
    with transaction.atomic():
        crashes = job.crashes + 1
        if crashes >= CRASHES_ALLOWED:
            reason = f"{reason} It crashed {crashes} times in a row without getting any further."
            change(job, **as_asked(JobState.FAILED), error=reason, eta_s=None)
            Job.objects.filter(pk=job.pk, state=JobState.FAILED).update(finished_at=timezone.now())
            return
        again = {"crashes": crashes, "error": reason, "eta_s": None, "enqueued_at": timezone.now()}
        change(job, **as_asked(JobState.QUEUED), **again)
        transaction.on_commit(partial(send, job.pk))


def again() -> Case:
    """The state of a job that is taken up again: queued, or validating where its data was never ready."""
    unready = When(asked__isnull=False, then=Value(JobState.VALIDATING))
    return Case(unready, default=Value(JobState.QUEUED))


def retry_job(job: Job) -> bool:
    """Queues a failed job again from its last saved state. False where it had not failed."""
    failed = Job.objects.filter(pk=job.pk, state=JobState.FAILED)
    with transaction.atomic():
        if not failed.update(state=again(), crashes=0, finished_at=None, enqueued_at=timezone.now()):
            return False
        transaction.on_commit(partial(send, job.pk))
    return True


def recover_jobs() -> list[Job]:
    """Queues the jobs of dead workers again, each once, and sends lost messages again; says which."""
    running = Job.objects.filter(state=JobState.RUNNING)
    return [job for job in running if recover(job)] + resend_lost_messages()


def is_abandoned(job: Job) -> bool:
    """Whether a running job's worker is surely gone: silent for too long, or a dead process of this host."""
    silent = job.heartbeat_at is None or job.heartbeat_at < timezone.now() - HEARTBEAT_STALE
    return silent or workers.is_dead(job.worker)


def recover(job: Job) -> bool:
    """Queues a running job again if its worker is gone; the row is read again under a lock to be sure."""
    with transaction.atomic():
        job = Job.objects.select_for_update().get(pk=job.pk)
        if job.state != JobState.RUNNING or not is_abandoned(job):
            return False
        crash(job, "The worker that ran it stopped.")
    log.warning("%s: worker %s is gone; the job is %s", job, job.worker, job.get_state_display())
    return True


def resend_lost_messages() -> list[Job]:
    """Queued jobs that nobody took for a while. A message too many is harmless: claiming decides."""
    overdue = Q(enqueued_at=None) | Q(enqueued_at__lt=timezone.now() - MESSAGE_LOST)
    jobs = list(Job.objects.filter(overdue, state=JobState.QUEUED).select_related("flow"))
    for job in jobs:
        enqueue(job)
    return jobs


def change(job: Job, **fields: object) -> None:
    """Writes fields of a job that this attempt holds. Raises LostJob where it no longer does."""
    if not Job.objects.held_by(job.worker).filter(pk=job.pk).update(**fields):
        raise LostJob(f"{job} is no longer held by {job.worker}")
    if expressions := [name for name, value in fields.items() if hasattr(value, "resolve_expression")]:
        job.refresh_from_db(fields=expressions)
    for name, value in fields.items():
        if name not in expressions:
            setattr(job, name, value)
