"""Pausing a job: what SIGTERM leaves behind, and that a paused run ends as one that was let run."""

import signal
import time
from pathlib import Path

import pytest

from tests.training.core_jobs import events, log_of, losses, make_job, run, start
from training.core.checkpoints import read_checkpoint
from training.core.pause import Pause, StopAsked

STEPS = 100
CHANGES = {"tokens": STEPS * 128, "checkpoints": 1, "store": "t-pretrain", "save_s": 1000.0}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("home")
    assert run(make_job(home, "prepare")) == 0
    return home


def pretraining(home: Path, name: str) -> Path:
    (home / "tokenizers" / name).symlink_to(home / "tokenizers" / "t")
    return make_job(home, "pretrain", folder=name, name=name, changes=CHANGES)


def pause_after(folder: Path, kind: str, count: int) -> int:
    """Ask the job to pause once it has written so many events of that kind; its exit status."""
    with start(folder) as process:
        while len(events(folder, kind)) < count:
            assert process.poll() is None, log_of(folder)
            time.sleep(0.005)
        process.send_signal(signal.SIGTERM)
        return process.wait(60)


def test_a_paused_run_goes_on_at_the_very_step_and_ends_with_the_same_weights(home: Path) -> None:
    paused, whole = pretraining(home, "paused"), pretraining(home, "whole")
    assert pause_after(paused, "metric", 3) == 0
    assert pause_after(paused, "metric", 6) == 0
    steps = [event["step"] for event in events(paused, "stopped")]
    assert len(steps) == 2
    assert 30 <= steps[0] < steps[1] < STEPS
    assert (paused / "state.pt").exists()
    assert not events(paused, "done")
    assert not events(paused, "failed")
    assert (run(paused), run(whole)) == (0, 0)
    told = [event["text"] for event in events(paused, "log") if "going on" in event["text"]]
    assert told == [f"going on after step {step} of {STEPS}" for step in steps]
    assert losses(paused) == losses(whole)
    digests = {
        read_checkpoint(home / "checkpoints" / f"{name}-pretrain").digest for name in ("paused", "whole")
    }
    assert len(digests) == 1


def test_a_job_that_has_not_begun_its_steps_pauses_at_once(tmp_path: Path) -> None:
    folder = make_job(tmp_path, "prepare")
    assert pause_after(folder, "progress", 1) == 0
    assert [(event["how"], event["step"]) for event in events(folder, "stopped")] == [("pause", 0)]
    assert run(folder) == 0
    assert events(folder, "done")


def test_a_request_is_noted_while_held_and_raised_where_it_may_be() -> None:
    pause = Pause()
    pause.watch()
    try:
        with pause.held():
            signal.raise_signal(signal.SIGTERM)
            assert pause.requested
            with pytest.raises(StopAsked), pause.held(False):
                raise AssertionError("what may be left is not begun")
        with pytest.raises(StopAsked), pause.held():
            raise AssertionError("what is held is not begun")
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
