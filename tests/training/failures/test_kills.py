"""Killed with SIGKILL at random moments, a job ends with the weights of an uninterrupted one, and leaves
nothing behind."""

import random
import time
from collections.abc import Callable
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from tests.training.core_jobs import events, log_of, losses
from tests.training.failures.attempts import begin, end
from tests.training.failures.conftest import MakeJob, leftovers

KILLS = 10
STEPS = 120


def reached(folder: Path) -> int:
    return max((event["step"] for event in events(folder, "metric")), default=0)


def kill_after(process: ForkServerProcess, folder: Path, step: int, delay_s: float) -> None:
    while process.is_alive() and reached(folder) < step:
        time.sleep(0.002)
    time.sleep(delay_s)
    process.kill()
    process.join()


def test_a_job_killed_ten_times_publishes_the_weights_of_an_uninterrupted_one(
    prepared: Path, pretraining: MakeJob, digests: Callable[[str], dict[str, str]]
) -> None:
    """It saves its state at each step and publishes after every third, so that many a kill comes in the midst
    of one or the other."""
    settings = {"tokens": STEPS * 128, "checkpoints": STEPS // 3 - 1}
    whole, killed = (pretraining(name, **settings) for name in ("whole", "killed"))
    assert end(begin(whole)) == 0, log_of(whole)
    chance = random.Random(20261122)
    for step in sorted(chance.choices(range(STEPS - 30), k=KILLS)):
        process = begin(killed)
        kill_after(process, killed, step, chance.uniform(0.0, 0.2))
        assert process.exitcode == -9
    assert not events(killed, "done")
    assert end(begin(killed)) == 0, log_of(killed)
    assert len(digests("whole")) == STEPS // 3
    assert digests("killed") == digests("whole")
    assert losses(killed) == losses(whole)
    assert not leftovers(killed, prepared / "checkpoints")


def test_what_a_process_killed_while_saving_left_is_removed_at_the_end(
    prepared: Path, pretraining: MakeJob
) -> None:
    """Of one process, and of several; also where the next attempt does not come to save anything."""
    folder = pretraining("cut", save_s=10_000)
    (folder / "state.pt.partial").write_bytes(b"half")
    (folder / "partial-state-000000000007").mkdir()
    (folder / "partial-state-000000000007" / "__0_0.distcp").write_bytes(b"half")
    (prepared / "checkpoints").mkdir(exist_ok=True)
    (prepared / "checkpoints" / ".cut-pretrain.0badcafe.partial").mkdir()
    assert end(begin(folder)) == 0, log_of(folder)
    assert not leftovers(folder, prepared / "checkpoints")
    (folder / "state.pt").write_bytes(b"of a process killed between publishing and removing it")
    assert end(begin(folder)) == 0, log_of(folder)
    assert not leftovers(folder)
