"""Two processes of one job against one: the same steps, the same curve, and either goes on where the other
was.

Tolerance: gradients are summed in another order (each process over its rows, then both), which in fp32 moves
a sum by some 1e-7 of itself, and in bf16 by 1e-3; AdamW divides by the gradient's own size, so that small
gradients carry this into the weights.
"""

import json
import signal
import socket
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
from safetensors.torch import load_file

from tests.training.core_jobs import TRAIN, events, log_of, losses, make_job, run, start
from training.core.saved import newest_state

STEPS = 30
CLOSE = 1e-3
SHORT = {"tokens": STEPS * 256, "batch_size": 4, "store": "t-pretrain", "save_s": 1000.0}
# A chosen answer and a rejected one need not differ in kind for the steps to be the same: any two do.
DPO = {**TRAIN, "sequence_length": 256, "learning_rate": 1e-3, "warmup_share": 0.1}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("home")
    assert run(make_job(home, "prepare")) == 0
    return home


def job(home: Path, name: str, *, processes: int = 1, **changes: Any) -> Path:
    (home / "tokenizers" / name).symlink_to(home / "tokenizers" / "t")
    folder = make_job(home, "pretrain", folder=name, name=name, changes={**SHORT, **changes})
    return with_processes(folder, processes)


def with_processes(folder: Path, processes: int) -> Path:
    return with_settings(folder, processes=processes, threads=2)


def with_settings(folder: Path, **settings: Any) -> Path:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | settings))
    return folder


@pytest.fixture(scope="module")
def alone(home: Path) -> Path:
    folder = job(home, "alone")
    assert run(folder) == 0, log_of(folder)
    return folder


def final_weights(home: Path, name: str) -> dict[str, torch.Tensor]:
    return load_file(home / "checkpoints" / f"{name}-pretrain" / "model.safetensors")


def test_two_processes_learn_as_one_does(home: Path, alone: Path) -> None:
    folder = job(home, "two", processes=2, micro_batch_size=1, activation_checkpointing=True, checkpoints=1)
    assert run(folder) == 0, log_of(folder)
    assert losses(folder) == pytest.approx(losses(alone), abs=CLOSE)
    one, two = final_weights(home, "alone"), final_weights(home, "two")
    assert {name: w.shape for name, w in one.items()} == {name: w.shape for name, w in two.items()}
    assert max(float((one[name] - two[name]).abs().max()) for name in one) < 0.02
    finals = [(event["name"], event["final"]) for event in events(folder, "checkpoint")]
    assert finals == [(f"two-pretrain-step{STEPS // 2}", False), ("two-pretrain", True)]
    assert len(events(folder, "done")) == 1


def test_sft_and_dpo_in_two_processes_learn_as_in_one(home: Path, alone: Path) -> None:
    parent = home / "checkpoints" / "alone-pretrain"
    for stage in ("think-sft", "think-dpo"):
        curves = []
        for processes in (1, 2):
            name = f"{stage}-{processes}"
            (home / "tokenizers" / name).symlink_to(home / "tokenizers" / "t")
            changes = {"store": "t-think-sft", "batch_size": 2, "micro_batch_size": 1}
            changes = (
                DPO | changes | {"epochs": 0.5} if stage == "think-dpo" else changes | {"tokens": 10 * 512}
            )
            folder = make_job(home, stage, folder=name, name=name, parent=parent, changes=changes)
            assert run(with_processes(folder, processes)) == 0, log_of(folder)
            curves.append(losses(folder))
        assert curves[0] == pytest.approx(curves[1], abs=CLOSE)


def test_a_step_in_portions_is_the_same_step(home: Path, alone: Path) -> None:
    folder = job(home, "portions", micro_batch_size=3)
    assert run(folder) == 0, log_of(folder)
    assert losses(folder) == pytest.approx(losses(alone), abs=CLOSE)


@pytest.mark.parametrize(("before", "after"), [(2, 1), (1, 2)])
def test_a_paused_job_goes_on_in_another_number_of_processes(
    home: Path, alone: Path, before: int, after: int
) -> None:
    folder = job(home, f"from{before}", processes=before)
    assert stop_after(folder, 1, signal.SIGTERM) == 0, log_of(folder)
    (stopped,) = events(folder, "stopped")
    assert 0 < stopped["step"] < STEPS
    state = newest_state(folder)
    assert state is not None
    assert state.is_dir() == (before == 2)
    with_processes(folder, after)
    assert run(folder) == 0, log_of(folder)
    assert [event["text"] for event in events(folder, "log") if "going on" in event["text"]] == [
        f"going on after step {stopped['step']} of {STEPS}"
    ]
    assert losses(folder) == pytest.approx(losses(alone), abs=CLOSE)
    assert newest_state(folder) is None


def stop_after(folder: Path, lines: int, number: int) -> int:
    """Send the job's process a signal after so many lines of metrics; its exit status."""
    with start(folder) as process:
        while len(events(folder, "metric")) < lines:
            assert process.poll() is None, log_of(folder)
            time.sleep(0.005)
        process.send_signal(number)
        return process.wait(60)


def test_a_killed_process_ends_the_others_without_a_failure_and_the_job_goes_on_whole(
    home: Path, alone: Path
) -> None:
    folder = job(home, "killed", processes=2, save_s=0.5)
    with start(folder) as process:
        while len(events(folder, "metric")) < 1:
            assert process.poll() is None, log_of(folder)
            time.sleep(0.01)
        ranks = ranks_of(folder)
        assert len(ranks) == 2
        ranks[-1].kill()
        assert process.wait(90) == 4, log_of(folder)
    assert not ranks_of(folder)
    assert not events(folder, "failed")
    assert run(folder) == 0, log_of(folder)
    assert losses(folder) == pytest.approx(losses(alone), abs=CLOSE)


def ranks_of(folder: Path) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter(["cmdline"]):
        line = process.info["cmdline"] or []
        if "training.core.parallel.rank" in line and str(folder) in line and "--nnodes" not in line:
            found.append(process)
    return found


def test_two_nodes_of_one_process_each_learn_as_one_does(home: Path, alone: Path) -> None:
    folder = job(home, "nodes")
    with_settings(folder, nodes=2, rendezvous=f"127.0.0.1:{free_port()}")
    with start(folder) as first, start(folder, "1") as second:
        assert (first.wait(200), second.wait(200)) == (0, 0), log_of(folder)
    assert losses(folder) == pytest.approx(losses(alone), abs=CLOSE)
    assert len(events(folder, "done")) == 1


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def test_the_reason_of_a_failing_process_is_the_jobs_reason(home: Path) -> None:
    folder = job(home, "uneven", processes=2, batch_size=3)
    assert run(folder) == 1
    (event,) = events(folder, "failed")
    assert "cannot be shared by 2 processes" in event["error"]
    assert event["expected"]


def test_a_killed_launcher_leaves_no_process(home: Path) -> None:
    folder = job(home, "orphans", processes=2, tokens=10**7)
    assert stop_after(folder, 1, signal.SIGKILL) == -signal.SIGKILL
    deadline = time.monotonic() + 30
    while ranks_of(folder):
        assert time.monotonic() < deadline
        time.sleep(0.1)
