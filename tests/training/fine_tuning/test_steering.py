"""Pausing, resuming and cancelling: as rows, against each other, and against dead workers."""

from collections.abc import Callable
from datetime import timedelta

import pytest
import redis
from django.utils import timezone

from training import jobs
from training.core.errors import JobError
from training.models import Flow, Job, JobState, Wanted
from training.steering import cancel_job, pause_job, resume_job

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("redis_server")]


@pytest.fixture
def queued() -> Job:
    flow = Flow.objects.create(name="f", recipe="test")
    return Job.objects.create(
        flow=flow, stage="pretrain", position=0, state=JobState.QUEUED, enqueued_at=timezone.now()
    )


def claimed(job: Job) -> Job:
    taken = jobs.claim(job.pk)
    assert taken is not None
    return taken


def state(job: Job) -> tuple[str, str]:
    found = Job.objects.get(pk=job.pk)
    return found.state, found.wanted


def save_something(job: Job) -> None:
    job.directory.mkdir(parents=True, exist_ok=True)
    (job.directory / "state.pt").write_bytes(b"weights")


def test_a_queued_job_is_paused_at_once_and_no_worker_takes_it(queued: Job) -> None:
    pause_job(queued)
    assert state(queued) == (JobState.PAUSED, "")
    assert jobs.claim(queued.pk) is None


def test_a_resumed_job_is_queued_and_its_message_sent(queued: Job, redis_server: redis.Redis) -> None:
    before = redis_server.llen("gpu")
    resume_job(pause_job(queued))
    assert state(queued) == (JobState.QUEUED, "")
    assert redis_server.llen("gpu") == before + 1


def test_a_running_job_is_asked_to_pause_and_says_so(queued: Job) -> None:
    running = claimed(queued)
    assert pause_job(queued).condition == "pausing"
    assert state(queued) == (JobState.RUNNING, Wanted.PAUSE)
    jobs.stop_as_asked(running, "pause")
    assert state(queued) == (JobState.PAUSED, "")


def test_a_job_that_is_resumed_before_it_has_paused_just_goes_on(queued: Job) -> None:
    claimed(queued)
    resume_job(pause_job(queued))
    assert state(queued) == (JobState.RUNNING, "")


def test_a_job_that_is_resumed_as_its_child_stops_is_queued_again(queued: Job) -> None:
    running = claimed(queued)
    resume_job(pause_job(queued))
    jobs.stop_as_asked(running, "pause")
    assert state(queued) == (JobState.QUEUED, "")
    assert Job.objects.get(pk=queued.pk).finished_at is None


def test_a_job_cancelled_as_its_child_pauses_is_queued_to_be_published(queued: Job) -> None:
    running = claimed(queued)
    cancel_job(pause_job(queued))
    jobs.stop_as_asked(running, "pause")
    assert state(queued) == (JobState.QUEUED, Wanted.CANCEL)


def test_a_cancelled_job_cannot_be_paused_or_resumed(queued: Job) -> None:
    claimed(queued)
    cancel_job(queued)
    with pytest.raises(JobError, match="cancelling: it cannot be paused"):
        pause_job(queued)
    with pytest.raises(JobError, match="cannot be resumed"):
        resume_job(queued)
    assert state(queued) == (JobState.RUNNING, Wanted.CANCEL)


def test_a_queued_job_without_a_saved_state_is_cancelled_at_once(queued: Job) -> None:
    cancel_job(queued)
    assert state(queued) == (JobState.CANCELLED, "")
    assert Job.objects.get(pk=queued.pk).finished_at
    with pytest.raises(JobError, match="only one that has not ended"):
        cancel_job(queued)


def test_a_paused_job_with_a_saved_state_is_published_first_unless_it_is_cancelled_twice(queued: Job) -> None:
    save_something(queued)
    cancel_job(pause_job(queued))
    assert state(queued) == (JobState.QUEUED, Wanted.CANCEL)
    cancel_job(queued)
    assert state(queued) == (JobState.CANCELLED, "")


def test_a_job_that_ends_before_it_is_paused_is_done(queued: Job) -> None:
    running = claimed(queued)
    pause_job(queued)
    jobs.succeed(running, cpu_s=1.0)
    assert state(queued) == (JobState.SUCCEEDED, "")


@pytest.mark.parametrize(("ask", "settled"), [(pause_job, JobState.PAUSED), (cancel_job, JobState.CANCELLED)])
def test_what_was_asked_of_a_killed_worker_is_done_by_whoever_finds_it_dead(
    queued: Job, ask: Callable[[Job], Job], settled: JobState
) -> None:
    claimed(queued)
    ask(queued)
    stale = timezone.now() - jobs.HEARTBEAT_STALE - timedelta(seconds=1)
    Job.objects.filter(pk=queued.pk).update(heartbeat_at=stale)
    jobs.recover_jobs()
    assert state(queued) == (settled, "")
    assert jobs.claim(queued.pk) is None


@pytest.mark.parametrize(("ask", "settled"), [(pause_job, JobState.PAUSED), (cancel_job, JobState.CANCELLED)])
def test_what_was_asked_of_a_worker_that_is_told_to_stop_is_done(
    queued: Job, ask: Callable[[Job], Job], settled: JobState
) -> None:
    running = claimed(queued)
    ask(queued)
    jobs.release(running)
    assert state(queued) == (settled, "")
    assert Job.objects.get(pk=queued.pk).finished_at


def test_a_third_crash_of_a_job_to_be_paused_pauses_it(queued: Job) -> None:
    for _ in range(jobs.CRASHES_ALLOWED - 1):
        jobs.crash(claimed(queued), "killed")
    running = claimed(queued)
    pause_job(queued)
    jobs.crash(running, "killed")
    assert state(queued) == (JobState.PAUSED, "")


def test_a_worker_that_lost_its_job_cannot_end_it_as_asked(queued: Job) -> None:
    old = claimed(queued)
    pause_job(queued)
    Job.objects.filter(pk=queued.pk).update(worker="somebody else")
    with pytest.raises(jobs.LostJob):
        jobs.stop_as_asked(old, "pause")
    assert state(queued) == (JobState.RUNNING, Wanted.PAUSE)
