"""Real flows and real Celery workers for tests of every app that needs something trained."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest
import redis
from django.conf import settings
from django.core import serializers
from django.db import connection
from django.test import override_settings

from tracing.models import Store
from tracing.services import open_store, open_tokenizer
from training.lineage import lineage_stores
from training.models import Checkpoint, Flow, Job, JobState, TrainedOn
from training.runner import run_job
from training.services import start_flow

TINY = str(Path(__file__).with_name("tiny.toml"))
WAIT_S = 240.0


@pytest.fixture(scope="session")
def trained_home(home: Path, redis_server: redis.Redis, django_db_setup: None, django_db_blocker: Any) -> str:
    """A flow of every stage, trained once a session. Its files stay in HEADWATER_HOME; its rows are
    handed out as JSON and taken out of the database again, so that tests which need none find none."""
    with django_db_blocker.unblock():
        train(start_flow(recipe=TINY))
        models = (Store, Flow, Job, Checkpoint, TrainedOn)
        rows = [row for model in models for row in model.objects.order_by("pk")]
        written = serializers.serialize("json", rows)
        for model in reversed(models):
            model.objects.all().delete()
    return written


@pytest.fixture
def trained_flow(trained_home: str, db: None) -> Flow:
    """The trained flow, with its rows in this test's database."""
    for row in serializers.deserialize("json", trained_home):
        row.save()
    return Flow.objects.get(name="tiny")


@pytest.fixture
def instruct(trained_flow: Flow) -> Checkpoint:
    return Checkpoint.objects.get(job__flow=trained_flow, stage="instruct-sft", final=True)


def document_text(checkpoint: Checkpoint, stage: str, document: int = 0) -> tuple[str, list[int]]:
    """The text and ids of a document that the checkpoint's lineage was trained on."""
    store = next(store for store in lineage_stores(checkpoint) if store.stage == stage)
    token_ids = open_store(store).token_ids(document).tolist()
    return open_tokenizer(checkpoint.path).decode(token_ids)[0], token_ids


def train(flow: Flow) -> None:
    """Runs every stage of a flow in this process, in its real children. Fails with a stage's reason."""
    with override_settings(TRAINING_THREADS=1):
        while job := flow.jobs.filter(state=JobState.QUEUED).first():
            run_job(job.pk)
    for job in flow.jobs.all():
        assert job.state == JobState.SUCCEEDED, f"{job} is {job.state}: {job.error}"


def share_database() -> None:
    """Lets other processes of this HEADWATER_HOME find the test database where they look for theirs."""
    name, path = connection.settings_dict["NAME"], settings.HOME / "db.sqlite3"
    if connection.vendor == "postgresql":
        os.environ["DATABASE_URL"] = urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{name}").geturl()
    elif not path.exists():
        path.symlink_to(name)


@contextmanager
def celery_worker(*, queues: str = "default,gpu", beat: bool = False) -> Iterator[subprocess.Popen[bytes]]:
    """A Celery worker process on the test run's HEADWATER_HOME, database and Redis; stopped at the end."""
    command = [sys.executable, "-m", "celery", "-A", "config", "worker", "--pool", "threads"]
    command += ["--concurrency", "4", "--queues", queues, "--without-mingle", "--without-gossip"]
    command += ["--hostname", f"test{time.monotonic_ns()}@%h", *(["--beat"] if beat else [])]
    share_database()
    log = settings.HOME / "logs" / "worker.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    environ = {**os.environ, "HEADWATER_THREADS": "1"}
    with log.open("ab") as output:
        worker = subprocess.Popen(
            command, cwd=settings.BASE_DIR, env=environ, stdout=output, stderr=output, start_new_session=True
        )
    try:
        yield worker
    finally:
        stop(worker)


def stop(worker: subprocess.Popen[bytes]) -> None:
    """Ends a worker kindly, as its supervisor does, and by force if it stays."""
    worker.send_signal(signal.SIGTERM)
    try:
        worker.wait(20)
    except subprocess.TimeoutExpired:
        worker.kill()
        worker.wait()


def children_of(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """The living training processes that a worker has started."""
    try:
        return [child for child in psutil.Process(process.pid).children(recursive=True) if is_training(child)]
    except psutil.NoSuchProcess:
        return []


def is_training(process: psutil.Process) -> bool:
    try:
        return "training.core.run" in process.cmdline()
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return False


def wait_until(condition: Callable[[], object], what: str, wait_s: float = WAIT_S) -> None:
    """Waits for something that other processes bring about; fails with `what` and the worker's last words."""
    deadline = time.monotonic() + wait_s
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not come about in {wait_s} s; {last_words()}"
        time.sleep(0.1)


def last_words() -> str:
    log = settings.HOME / "logs" / "worker.log"
    return log.read_text(errors="replace")[-3000:] if log.is_file() else "no worker has written anything"
