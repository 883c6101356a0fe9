"""Worker, child or both killed with SIGKILL at random moments: the job is found, and goes on once to the
weights of an uninterrupted one."""

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from django.conf import settings

from tests.flows import TINY, is_training, share_database, wait_until
from tests.training.core_jobs import events, log_of
from tests.training.failures.attempts import begin, end
from tests.training.failures.conftest import leftovers
from training import jobs
from training.core.checkpoints import read_checkpoint
from training.models import Checkpoint, Job, JobState
from training.runner import run_job
from training.services import start_flow

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("redis_server")]
ATTEMPT = "import django; django.setup(); from training.runner import run_job; run_job({})"
VICTIMS = ("worker", "child", "both")


def begin_worker(job: Job) -> psutil.Process:
    """A process that takes the job as a worker does."""
    share_database()
    environ = os.environ | {"HEADWATER_THREADS": "1", "DJANGO_SETTINGS_MODULE": "config.settings"}
    command = [sys.executable, "-c", ATTEMPT.format(job.pk)]
    return psutil.Popen(command, cwd=settings.BASE_DIR, env=environ, stderr=subprocess.DEVNULL)


def child_of(worker: psutil.Process) -> psutil.Process | None:
    return next((child for child in worker.children() if is_training(child)), None)


def kill(victim: str, worker: psutil.Process, child: psutil.Process) -> None:
    for name, process in (("worker", worker), ("child", child)):
        if victim in (name, "both"):
            process.kill()
    worker.wait(60)
    psutil.wait_procs([child], timeout=60)
    assert not child.is_running(), "the child outlives its worker"


def metrics(job: Job) -> int:
    return len(events(job.directory, "metric"))


def uninterrupted_digest(job: Job) -> str:
    """Of the same training, done at once under another name."""
    config = json.loads((job.directory / "config.json").read_text())
    recipe = config["recipe"] | {"store": f"{job.flow.name}-pretrain"}
    folder = settings.HOME / "jobs" / "at-once"
    folder.mkdir()
    (settings.HOME / "tokenizers" / "at-once").symlink_to(settings.HOME / "tokenizers" / job.flow.name)
    (folder / "config.json").write_text(json.dumps(config | {"name": "at-once", "recipe": recipe}))
    assert end(begin(folder)) == 0, log_of(folder)
    return read_checkpoint(settings.HOME / "checkpoints" / "at-once-pretrain").digest


def test_workers_and_children_killed_at_random_moments_end_with_the_weights_of_an_uninterrupted_job() -> None:
    flow = start_flow(name="struck", recipe=TINY)
    flow.jobs.filter(position__gt=1).order_by("-position").delete()
    run_job(flow.jobs.get(stage="prepare").pk)
    job = flow.jobs.get(stage="pretrain")
    Job.objects.filter(pk=job.pk).update(config={**job.config, "save_s": 0, "batch_size": 1})
    chance = random.Random(4)
    for number, victim in enumerate(VICTIMS):
        worker = begin_worker(job)
        wait_until(lambda worker=worker: child_of(worker), "the child")
        child = child_of(worker)
        assert child is not None
        wait_until(lambda number=number: metrics(job) >= number, "metrics")
        time.sleep(chance.uniform(0.0, 0.5))
        kill(victim, worker, child)
        jobs.recover_jobs()
        job.refresh_from_db()
        assert job.state == JobState.QUEUED, (victim, job.error)
    run_job(job.pk)
    job.refresh_from_db()
    assert (job.state, job.attempts) == (JobState.SUCCEEDED, len(VICTIMS) + 1), job.error
    final = Checkpoint.objects.get(job=job, final=True)
    assert final.digest == uninterrupted_digest(job)
    assert len(Checkpoint.objects.filter(job=job)) == 3
    assert not leftovers(job.directory, Path(settings.HOME) / "checkpoints")
