"""Jobs in real workers and real children: killed at bad moments, raced for, stopped, broken."""

import fcntl
import json
import signal
import threading
import time
from collections.abc import Iterator
from io import StringIO

import psutil
import pytest
import redis
from django.conf import settings
from django.core.management import call_command
from django.db import connection
from django.test import override_settings
from django.utils import timezone

from config.celery import app
from tests.flows import TINY, celery_worker, children_of, is_training, last_words, train, wait_until
from training import jobs, runner
from training.attempt import stopping
from training.events import EventReader
from training.journal import Series, read_log, read_metrics
from training.models import Checkpoint, Flow, Job, JobState
from training.overview import flow_overview
from training.services import retry_job, start_flow

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("redis_server", "one_thread")]


@pytest.fixture
def one_thread() -> Iterator[None]:
    with override_settings(TRAINING_THREADS=1):
        yield


def start_short_flow(name: str, last: str) -> Flow:
    """A tiny flow that ends after the stage `last`."""
    flow = start_flow(name=name, recipe=TINY)
    end = flow.jobs.get(stage=last).position
    for job in flow.jobs.filter(position__gt=end).order_by("-position"):
        job.delete()
    return flow


def job_of(flow: Flow, stage: str) -> Job:
    return flow.jobs.get(stage=stage)


def uninterrupted(flow: Flow, stage: str) -> Series:
    return read_metrics(job_of(flow, stage), max_points=10_000)


def attempts(flow: Flow) -> list[int]:
    return list(flow.jobs.values_list("attempts", flat=True))


def test_a_killed_worker_leaves_no_child_and_its_job_goes_on_once_with_the_same_losses(
    trained_flow: Flow,
) -> None:
    expected = uninterrupted(trained_flow, "pretrain")
    flow = start_short_flow("killed", last="pretrain")
    with celery_worker() as worker:
        wait_until(
            lambda: len(read_metrics(job_of(flow, "pretrain"))) > 1, "the first metrics of pretraining"
        )
        children = children_of(worker)
        assert len(children) == 1
        worker.kill()
        _, alive = psutil.wait_procs(children, timeout=10)
        assert alive == []
    pretrain = job_of(flow, "pretrain")
    assert pretrain.state == JobState.RUNNING
    most = 0
    with celery_worker() as first, celery_worker() as second:
        while not flow_is_done(flow):
            most = max(most, len(children_of(first)) + len(children_of(second)))
            time.sleep(0.1)
    assert most == 1
    assert attempts(flow) == [1, 2]
    resumed = uninterrupted(flow, "pretrain")
    assert (resumed.steps, resumed.loss) == (expected.steps, expected.loss)
    digests = [
        Checkpoint.objects.get(job=job_of(f, "pretrain"), final=True).digest for f in (flow, trained_flow)
    ]
    assert digests[0] == digests[1]


def flow_is_done(flow: Flow) -> bool:
    states = set(flow.jobs.values_list("state", flat=True))
    assert JobState.FAILED not in states, [job.error for job in flow.jobs.all()] + [last_words()]
    return states == {JobState.SUCCEEDED}


def test_a_worker_told_to_stop_gives_its_job_back_and_kills_no_progress() -> None:
    flow = start_short_flow("stopped", last="prepare")
    with celery_worker() as worker:
        wait_until(lambda: children_of(worker), "the child")
        children = children_of(worker)
        worker.send_signal(signal.SIGTERM)
        worker.wait(20)
    assert not any(child.is_running() for child in children)
    job = job_of(flow, "prepare")
    assert (job.state, job.crashes, job.error) == (JobState.QUEUED, 0, "")
    train(flow)
    assert attempts(flow) == [2]


def run_in_thread(job: Job) -> threading.Thread:
    def run() -> None:
        runner.run_job(job.pk)
        connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def own_children(job: Job) -> list[psutil.Process]:
    own = [child for child in psutil.Process().children(recursive=True) if is_training(child)]
    return [child for child in own if str(job.directory) in child.cmdline()]


def test_a_killed_child_is_queued_again_with_the_signal_said() -> None:
    flow = start_short_flow("childless", last="prepare")
    job = job_of(flow, "prepare")
    thread = run_in_thread(job)
    wait_until(lambda: own_children(job), "the child")
    own_children(job)[0].kill()
    thread.join(30)
    job.refresh_from_db()
    assert (job.state, job.crashes) == (JobState.QUEUED, 1)
    assert "killed by SIGKILL" in job.error


def test_a_worker_that_lost_its_job_kills_its_child_and_writes_nothing() -> None:
    flow = start_short_flow("usurped", last="prepare")
    job = job_of(flow, "prepare")
    thread = run_in_thread(job)
    wait_until(lambda: own_children(job), "the child")
    Job.objects.filter(pk=job.pk).update(worker="somebody else", heartbeat_at=timezone.now())
    thread.join(30)
    assert not thread.is_alive()
    assert own_children(job) == []
    job.refresh_from_db()
    assert (job.state, job.worker) == (JobState.RUNNING, "somebody else")


def test_no_second_child_starts_while_an_earlier_one_holds_the_directory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(runner, "LOCK_WAIT_S", 0.5)
    job = job_of(start_short_flow("locked", last="prepare"), "prepare")
    job.directory.mkdir(parents=True)
    with (job.directory / "lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        runner.run_job(job.pk)
    job.refresh_from_db()
    assert (job.state, job.crashes) == (JobState.QUEUED, 0)
    assert not (job.directory / "config.json").exists()


def test_what_another_job_of_the_same_number_left_is_not_taken_for_this_ones() -> None:
    job = job_of(start_short_flow("numbered", last="prepare"), "prepare")
    job.directory.mkdir(parents=True)
    (job.directory / "events.jsonl").write_text('{"type": "failed", "error": "of another job", "time": 1}\n')
    runner.run_job(job.pk)
    job.refresh_from_db()
    assert (job.state, job.error) == (JobState.SUCCEEDED, "")
    (kept,) = job.directory.glob("of-another-job/*/events.jsonl")
    assert "of another job" in kept.read_text()
    assert not any("of another job" in line.text for line in read_log(job))


def test_a_child_that_fails_says_why_and_can_be_tried_again() -> None:
    """Pretraining over a store that lost its last bytes."""
    flow = start_short_flow("broken", last="midtrain")
    runner.run_job(job_of(flow, "prepare").pk)
    job, follower = job_of(flow, "pretrain"), job_of(flow, "midtrain")
    store = settings.HOME / "stores" / "broken-pretrain" / "tokenized.0"
    store.write_bytes(store.read_bytes()[:-2])
    runner.run_job(job.pk)
    job.refresh_from_db()
    follower.refresh_from_db()
    assert job.state == JobState.FAILED
    assert "tokenized.0" in job.error
    assert "Traceback" not in job.error
    assert any("Traceback" in line.text for line in read_log(job))
    assert follower.state == JobState.WAITING
    assert not flow_overview(flow).finished
    assert flow_overview(flow).failed
    assert retry_job(job)
    job.refresh_from_db()
    assert (job.state, job.crashes) == (JobState.QUEUED, 0)


def test_a_configuration_that_no_stage_accepts_fails_with_the_setting_named() -> None:
    job = job_of(start_short_flow("refused", last="prepare"), "prepare")
    Job.objects.filter(pk=job.pk).update(config={**job.config, "vocabulary_size": 7})
    runner.run_job(job.pk)
    job.refresh_from_db()
    assert job.state == JobState.FAILED
    assert "vocabulary_size" in job.error


def test_a_second_flow_waits_for_the_first_and_then_runs_at_once_in_the_same_worker(
    redis_server: redis.Redis,
) -> None:
    redis_server.delete("gpu")
    first = start_short_flow("first", last="prepare")
    second = start_short_flow("second", last="prepare")
    most = 0
    with celery_worker() as worker:
        while not (flow_is_done(first) and flow_is_done(second)):
            most = max(most, len(children_of(worker)))
            time.sleep(0.1)
    assert most == 1
    ends, starts = first.jobs.get().finished_at, second.jobs.get().started_at
    assert ends is not None
    assert starts is not None
    assert ends <= starts or second.jobs.get().finished_at <= first.jobs.get().started_at


def test_train_here_needs_no_worker_and_tells_the_way(capsys: pytest.CaptureFixture[str]) -> None:
    flow = start_short_flow("here", last="prepare")
    output = StringIO()
    call_command("train", TINY, "--name", "here", "--here", stdout=output)
    assert flow_overview(flow).finished
    assert output.getvalue().splitlines()[-1].startswith("here 100% · done in")
    assert not stopping.is_set()


def test_a_flow_started_twice_is_one_flow(redis_server: redis.Redis) -> None:
    first = start_flow(name="twice", recipe=TINY)
    second = start_flow(name="twice", recipe=TINY)
    assert first == second
    stages = list(first.jobs.values_list("stage", "state"))
    assert stages == [
        ("prepare", JobState.QUEUED),
        *((stage, JobState.WAITING) for stage in ("pretrain", "midtrain", "think-sft", "instruct-sft")),
    ]
    assert [job.after.stage if job.after else None for job in first.jobs.select_related("after")] == [
        None,
        *(stage for stage, _ in stages[:-1]),
    ]


def test_starting_a_finished_flow_changes_nothing(trained_flow: Flow) -> None:
    before = list(trained_flow.jobs.values())
    assert start_flow(recipe=TINY) == trained_flow
    assert list(trained_flow.jobs.values()) == before


def test_events_are_dealt_with_once_and_registered_rows_are_as_the_manifests_say(trained_flow: Flow) -> None:
    for job in trained_flow.jobs.all():
        path = job.directory / "events.jsonl"
        assert job.events_offset == path.stat().st_size
        published = [event for event in EventReader(path).new_events() if event["type"] == "checkpoint"]
        assert {event["name"] for event in published} == {c.name for c in job.checkpoints.all()}
    for checkpoint in Checkpoint.objects.filter(job__flow=trained_flow):
        manifest = json.loads((checkpoint.path / "manifest.json").read_text())
        assert checkpoint.digest == manifest["digest"]
        assert [parent.name for parent in checkpoint.parents.all()] == manifest["parents"]
        assert [store.name for store in checkpoint.stores.all()] == [s["name"] for s in manifest["stores"]]
        assert checkpoint.final == (manifest["step"] == manifest["steps"])


def test_a_deleted_flow_takes_its_jobs_along_and_leaves_its_checkpoints(trained_flow: Flow) -> None:
    count = Checkpoint.objects.count()
    trained_flow.delete()
    assert not Job.objects.exists()
    assert Checkpoint.objects.count() == count


def test_the_beat_calls_tasks_that_exist() -> None:
    app.loader.import_default_modules()
    assert {entry["task"] for entry in settings.CELERY_BEAT_SCHEDULE.values()} <= set(app.tasks)
    assert set(settings.CELERY_TASK_ROUTES) <= set(app.tasks)


def test_the_message_of_a_queued_job_is_an_id_on_the_gpu_queue(redis_server: redis.Redis) -> None:
    redis_server.delete("gpu")
    job = job_of(start_short_flow("sent", last="prepare"), "prepare")
    (message,) = redis_server.lrange("gpu", 0, -1)
    assert json.loads(message)["headers"]["argsrepr"] == f"({job.pk},)"
    jobs.recover_jobs()
    assert redis_server.llen("gpu") == 1
