"""The life of a job as its row tells it: claims, heartbeats, crashes and recoveries, on a real database."""

import os
import subprocess
import sys
import threading
from datetime import timedelta

import psutil
import pytest
import redis
from django.db import connection
from django.utils import timezone

from training import jobs, runner, workers
from training.models import Flow, Job, JobState

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("redis_server")]
STALE = jobs.HEARTBEAT_STALE + timedelta(seconds=1)


@pytest.fixture
def flow() -> Flow:
    return Flow.objects.create(name="f", recipe="test")


@pytest.fixture
def queued(flow: Flow) -> Job:
    return Job.objects.create(
        flow=flow, stage="pretrain", position=0, state=JobState.QUEUED, enqueued_at=timezone.now()
    )


def messages(server: redis.Redis) -> int:
    return int(server.llen("gpu"))


def reread(job: Job) -> Job:
    return Job.objects.get(pk=job.pk)


def claimed(job: Job) -> Job:
    taken = jobs.claim(job.pk)
    assert taken is not None
    return taken


def dead_worker_name() -> str:
    """The name of an attempt whose process, a real one, has ended."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    name = workers.new_name().split(" ")
    started = psutil.Process(process.pid).create_time()
    process.communicate(b"\n")
    return f"{name[0]} {process.pid} {started:.2f} {name[3]}"


def test_of_many_claims_at_once_exactly_one_wins(queued: Job) -> None:
    taken: list[Job | None] = []

    def claim() -> None:
        taken.append(jobs.claim(queued.pk))
        connection.close()

    threads = [threading.Thread(target=claim) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(taken) == 8
    assert sum(job is not None for job in taken) == 1
    assert reread(queued).attempts == 1


def test_a_claimed_job_cannot_be_claimed_again(queued: Job) -> None:
    claimed(queued)
    assert jobs.claim(queued.pk) is None


def test_a_message_is_worth_the_first_queued_job_of_its_flow(flow: Flow, queued: Job) -> None:
    branch = Job.objects.create(flow=flow, stage="rl-zero", position=8, state=JobState.QUEUED)
    other = Job.objects.create(
        flow=Flow.objects.create(name="g", recipe="test"), stage="midtrain", position=3, state=JobState.QUEUED
    )
    assert jobs.first_of_flow(branch.pk) == queued.pk
    assert jobs.first_of_flow(other.pk) == other.pk
    claimed(queued)
    assert jobs.first_of_flow(queued.pk) == branch.pk
    claimed(branch)
    assert jobs.first_of_flow(branch.pk) == branch.pk


def test_a_waiting_job_cannot_be_claimed(flow: Flow) -> None:
    waiting = Job.objects.create(flow=flow, stage="pretrain", position=0)
    assert jobs.claim(waiting.pk) is None


def test_success_queues_the_followers_and_sends_their_messages(
    queued: Job, flow: Flow, redis_server: redis.Redis
) -> None:
    follower = Job.objects.create(flow=flow, stage="midtrain", position=1, after=queued)
    before = messages(redis_server)
    jobs.succeed(claimed(queued), cpu_s=1.5)
    assert reread(queued).state == JobState.SUCCEEDED
    assert reread(queued).cpu_s == 1.5
    assert reread(follower).state == JobState.QUEUED
    assert messages(redis_server) == before + 1


def test_failure_keeps_its_reason_and_queues_nobody(queued: Job, flow: Flow) -> None:
    follower = Job.objects.create(flow=flow, stage="midtrain", position=1, after=queued)
    jobs.fail(claimed(queued), "The store is damaged.")
    assert (reread(queued).state, reread(queued).error) == (JobState.FAILED, "The store is damaged.")
    assert reread(follower).state == JobState.WAITING


def test_a_silent_worker_loses_its_job_once_and_can_write_no_more(queued: Job) -> None:
    old = claimed(queued)
    Job.objects.filter(pk=queued.pk).update(heartbeat_at=timezone.now() - STALE)
    assert [job.pk for job in jobs.recover_jobs()] == [queued.pk]
    assert jobs.recover_jobs() == []
    new = claimed(queued)
    with pytest.raises(jobs.LostJob):
        jobs.advance(old, done=7)
    with pytest.raises(jobs.LostJob):
        jobs.fail(old, "too late")
    jobs.advance(new, done=3)
    assert (reread(queued).done, reread(queued).state) == (3, JobState.RUNNING)


def test_a_beating_worker_keeps_its_job(queued: Job) -> None:
    jobs.advance(claimed(queued))
    assert jobs.recover_jobs() == []
    assert reread(queued).state == JobState.RUNNING


def test_a_worker_whose_process_is_dead_loses_its_job_at_once(queued: Job) -> None:
    claimed(queued)
    Job.objects.filter(pk=queued.pk).update(worker=dead_worker_name())
    assert [job.pk for job in jobs.recover_jobs()] == [queued.pk]


def test_two_recoveries_at_once_count_one_crash(queued: Job) -> None:
    claimed(queued)
    Job.objects.filter(pk=queued.pk).update(heartbeat_at=timezone.now() - STALE)
    seen = Job.objects.get(pk=queued.pk)
    assert jobs.recover(seen)
    assert not jobs.recover(seen)
    assert reread(queued).crashes == 1


def test_three_crashes_without_progress_fail_the_job(queued: Job) -> None:
    for crash in range(jobs.CRASHES_ALLOWED):
        assert reread(queued).state == JobState.QUEUED, crash
        jobs.crash(claimed(queued), "The training process was killed by SIGKILL.")
    assert reread(queued).state == JobState.FAILED
    assert "SIGKILL" in reread(queued).error
    assert "3 times" in reread(queued).error


def test_progress_between_crashes_starts_the_count_again(queued: Job) -> None:
    for _ in range(2 * jobs.CRASHES_ALLOWED):
        job = claimed(queued)
        jobs.advance(job, crashes=0)
        jobs.crash(job, "killed")
    assert reread(queued).state == JobState.QUEUED


def test_a_failed_job_can_be_tried_again_and_no_other(queued: Job) -> None:
    assert not jobs.retry_job(queued)
    jobs.fail(claimed(queued), "no")
    assert jobs.retry_job(reread(queued))
    assert (reread(queued).state, reread(queued).crashes) == (JobState.QUEUED, 0)


def test_a_lost_message_is_sent_again_but_a_fresh_one_is_not(queued: Job, redis_server: redis.Redis) -> None:
    before = messages(redis_server)
    jobs.recover_jobs()
    assert messages(redis_server) == before
    Job.objects.filter(pk=queued.pk).update(enqueued_at=timezone.now() - 2 * jobs.MESSAGE_LOST)
    jobs.recover_jobs()
    jobs.recover_jobs()
    assert messages(redis_server) == before + 1


def test_a_message_dropped_by_a_busy_worker_is_sent_again_when_it_is_free(
    queued: Job, redis_server: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "SLOT_WAIT_S", 0.05)
    before = messages(redis_server)
    with runner.free_slot:
        runner.run_job(queued.pk)
    assert (reread(queued).state, messages(redis_server)) == (JobState.QUEUED, before)
    Job.objects.filter(pk=queued.pk).update(enqueued_at=timezone.now() - 2 * jobs.FRESH)
    runner.run_job(0)
    assert messages(redis_server) == before + 1


def test_a_job_given_back_is_queued_with_no_crash_counted(queued: Job, redis_server: redis.Redis) -> None:
    before = messages(redis_server)
    jobs.release(claimed(queued))
    assert (reread(queued).state, reread(queued).crashes) == (JobState.QUEUED, 0)
    assert messages(redis_server) == before + 1


def test_without_redis_a_job_stays_queued_and_nothing_breaks() -> None:
    lines = (
        "import django; django.setup(); from training import jobs, tasks; "
        "jobs.deliver(tasks.run_job, 7); print('went on')"
    )
    environ = {
        **os.environ,
        "REDIS_URL": "unix:///nowhere/redis.sock",
        "DJANGO_SETTINGS_MODULE": "config.settings",
    }
    done = subprocess.run(
        [sys.executable, "-c", lines], env=environ, capture_output=True, text=True, check=True
    )
    assert "went on" in done.stdout
    assert "job 7 stays queued: Redis does not answer" in done.stderr


def test_names_of_living_and_foreign_workers_are_not_dead() -> None:
    own = workers.new_name()
    assert not workers.is_dead(own)
    assert not workers.is_dead("elsewhere/pid:[1] 1 1.00 abc")
    assert not workers.is_dead("")
    assert workers.is_dead(dead_worker_name())


@pytest.mark.parametrize(("shift_s", "dead"), [(1.0, False), (-1.0, False), (3600.0, True), (-60.0, True)])
def test_a_process_with_the_number_of_a_dead_one_is_not_taken_for_it(shift_s: float, dead: bool) -> None:
    """The clock's adjustment moves a start time by a second; a number given out again, by much more."""
    host, number, started, token = workers.new_name().split(" ")
    assert workers.is_dead(f"{host} {number} {float(started) + shift_s:.2f} {token}") is dead
