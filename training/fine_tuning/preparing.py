"""What a worker does with a fine-tune that waits for its data: make the token store, complete the settings,
queue it. Until then it is validating, and in the hands of one worker at most."""

import logging
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from tracing.core.errors import TracingError
from training import workers
from training.core.errors import JobError, TrainingError
from training.core.run import message
from training.fine_tuning.completing import Asked, completed
from training.heartbeats import beating
from training.jobs import send_later
from training.models import Job, JobState

log = logging.getLogger(__name__)

HEARTBEAT_STALE = timedelta(seconds=60)
MESSAGE_LOST = timedelta(seconds=60)
CRASHES_ALLOWED = 3
GONE = "The worker that prepared its data stopped three times: the data may be too much for this machine."


def prepare_job(pk: int) -> None:
    """Does it, unless another worker is at it or a person has cancelled the job."""
    job = claim(pk)
    if job is None:
        return
    try:
        with beating(Job.objects.validated_by(job.worker)):
            fields = settings_of(job)
    except (TrainingError, TracingError, OSError) as error:
        fail(job, message(error))
    except Exception as error:
        log.exception("%s could not be prepared", job)
        fail(job, message(error))
    else:
        queue(job, fields)


def claim(pk: int) -> Job | None:
    worker = workers.new_name()
    waiting = Job.objects.filter(pk=pk, state=JobState.VALIDATING, worker="")
    if not waiting.update(worker=worker, heartbeat_at=timezone.now()):
        return None
    return Job.objects.select_related("flow", "parent", "dataset", "validation").get(pk=pk)


def settings_of(job: Job) -> dict[str, Any]:
    if job.parent is None or job.dataset is None:
        raise JobError("its data set was deleted before it was read: start another")
    return completed(
        stage=job.stage,
        parent=job.parent,
        dataset=job.dataset,
        validation=job.validation,
        asked=Asked(**(job.asked or {"settings": {}})),
    )


def queue(job: Job, fields: dict[str, Any]) -> None:
    """Ready for a worker that trains; nothing where the job was cancelled or taken over meanwhile."""
    idle = {"worker": "", "heartbeat_at": None, "crashes": 0, "error": ""}
    with transaction.atomic():
        held = Job.objects.validated_by(job.worker).filter(pk=job.pk)
        ready = {"state": JobState.QUEUED, "asked": None, "enqueued_at": timezone.now()}
        if held.update(**fields, **idle, **ready):
            send_later(job)


def fail(job: Job, reason: str) -> None:
    held = Job.objects.validated_by(job.worker).filter(pk=job.pk)
    held.update(state=JobState.FAILED, error=reason, worker="", finished_at=timezone.now())


def recover_preparations() -> list[Job]:
    """Takes up what dead workers left, given up after three, and sends lost messages again; says which."""
    held = Job.objects.filter(state=JobState.VALIDATING).exclude(worker="")
    found = [job for job in held if is_abandoned(job) and put_back(job)]
    overdue = Q(enqueued_at=None) | Q(enqueued_at__lt=timezone.now() - MESSAGE_LOST)
    lost = list(Job.objects.filter(overdue, state=JobState.VALIDATING, worker=""))
    for job in lost:
        Job.objects.filter(pk=job.pk).update(enqueued_at=timezone.now())
        send_later(job)
    return found + lost


def is_abandoned(job: Job) -> bool:
    silent = job.heartbeat_at is None or job.heartbeat_at < timezone.now() - HEARTBEAT_STALE
    return silent or workers.is_dead(job.worker)


def put_back(job: Job) -> bool:
    """Whether the job was still the dead worker's."""
    if job.crashes + 1 >= CRASHES_ALLOWED:
        fail(job, GONE)
        return False
    held = Job.objects.validated_by(job.worker).filter(pk=job.pk)
    if not held.update(worker="", crashes=F("crashes") + 1):
        return False
    log.warning("%s: worker %s is gone", job, job.worker)
    send_later(job)
    return True
