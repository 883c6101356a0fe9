"""What a person reads of a job whose disk takes nothing, neither from its worker nor from its child."""

import pytest

from tests.flows import TINY
from training import child
from training.core.run import UNHEARD
from training.models import Job, JobState
from training.runner import run_job
from training.services import retry_job, start_flow

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("redis_server")]


def first_job(name: str) -> Job:
    return start_flow(name=name, recipe=TINY).jobs.get(stage="prepare")


def test_a_worker_that_cannot_write_the_jobs_files_fails_it_with_what_to_do() -> None:
    job = first_job("unwritable")
    Job.objects.filter(pk=job.pk).update(attempts=1)  # a first one moves leftovers aside
    (job.directory / "config.json.partial").mkdir(parents=True)
    run_job(job.pk)
    job.refresh_from_db()
    assert job.state == JobState.FAILED
    assert "config.json.partial" in job.error
    assert "then run on" in job.error
    assert retry_job(job)


def test_a_child_that_could_write_no_event_is_told_of_by_where_room_is_needed() -> None:
    job = first_job("unheard")
    reason = child.death(job, UNHEARD)
    assert str(job.directory) in reason
    assert "make room" in reason


def test_a_child_killed_outright_may_have_lacked_memory() -> None:
    assert "want of memory" in child.death(first_job("outright"), -9)
    assert "memory" not in child.death(first_job("asked"), -15)
