"""Leases of GPUs, on a list of GPUs that need not exist."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from pytest_django import Settings

from training import child, gpus, runner
from training.core.parallel.leases import lease
from training.models import Flow, Job, JobState

HOLD = """
import sys
from pathlib import Path
from training.core.parallel.leases import lease
held = lease(Path(sys.argv[1]), ["0"])
print("held", flush=True)
sys.stdin.read()
"""


def test_a_gpu_is_given_to_one_job_at_a_time(tmp_path: Path) -> None:
    with lease(tmp_path, ["0", "1"]) or pytest.fail("nobody has them") as held:
        assert held.gpus == ("0", "1")
        assert lease(tmp_path, ["1"]) is None
        assert lease(tmp_path, ["2", "1"]) is None
        with lease(tmp_path, ["2"]) or pytest.fail("2 was not kept by the lease that failed"):
            pass
    with lease(tmp_path, ["1"]) or pytest.fail("it was given back"):
        pass


def test_a_lease_ends_with_its_process_however_that_ends(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        assert lease(tmp_path, ["0"]) is None
        process.kill()
    assert lease(tmp_path, ["0"]) is not None


@pytest.fixture
def queued(db: None, settings: Settings, tmp_path: Path) -> Job:
    settings.HOME = tmp_path
    settings.GPUS = ["4", "6"]
    flow = Flow.objects.create(name="f", recipe="test")
    return Job.objects.create(flow=flow, stage="midtrain", position=0, state=JobState.QUEUED, config={})


def test_a_child_sees_the_gpus_of_its_lease_and_gets_a_process_for_each(queued: Job) -> None:
    with gpus.leased(queued) as held:
        environment, processes = child.environment(held.gpus), child.processes_for(queued, held.gpus)
    assert environment["CUDA_VISIBLE_DEVICES"] == "4,6"
    assert processes == 2


@pytest.mark.parametrize(
    ("stage", "config"), [("prepare", {}), ("think-rlvr", {}), ("think-sft", {"adapter": {"rank": 8}})]
)
def test_what_cannot_be_divided_gets_one_process(stage: str, config: dict[str, object]) -> None:
    assert child.processes_for(Job(stage=stage, config=config), ["0", "1"]) == 1


def test_a_job_whose_gpus_are_taken_is_given_back_unharmed(
    queued: Job, monkeypatch: pytest.MonkeyPatch, redis_server: object
) -> None:
    monkeypatch.setattr(gpus, "LEASE_WAIT_S", 0.2)
    with gpus.leased(queued):
        runner.run_job(queued.pk)
    queued.refresh_from_db()
    assert (queued.state, queued.crashes) == (JobState.QUEUED, 0)
    assert not (queued.directory / "config.json").exists()


def test_without_gpus_a_job_has_one_process_and_its_environment_as_it_was(
    queued: Job, settings: Settings
) -> None:
    settings.GPUS = ["none"]
    with gpus.leased(queued) as held:
        assert held.gpus == ()
        assert child.processes_for(queued, held.gpus) == 1
    queued.directory.mkdir(parents=True)
    child.write_config(queued, 1)
    assert json.loads((queued.directory / "config.json").read_text())["processes"] == 1
