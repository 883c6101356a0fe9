"""A disk that is really full: while the state is saved, while a checkpoint is published, while events are
written. The job says so, keeps what it had, and ends as if nothing had been, once there is room."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.training.core_jobs import events, log_of
from tests.training.failures.attempts import NO_NAMESPACES, begin, end, make_room
from tests.training.failures.conftest import MakeJob, leftovers
from training.core.run import FAILED, UNHEARD

Digests = Callable[[str], dict[str, str]]


def fail_on_small_disk(folder: Path, disk: Path, room_bytes: int) -> int:
    """The exit status of an attempt with so little room there. There is more of it afterwards."""
    disk.mkdir(exist_ok=True)
    status = end(begin(folder, disk=disk, room_bytes=room_bytes))
    if status == NO_NAMESPACES:
        pytest.skip("this system lets nobody mount a disk of his own")
    make_room(disk)
    return status


def only_reason(folder: Path) -> str:
    (event,) = events(folder, "failed")
    assert event["expected"]
    return str(event["error"])


def ends_like(folder: Path, whole: Path, digests: Digests) -> bool:
    assert end(begin(folder)) == 0, log_of(folder)
    assert end(begin(whole)) == 0, log_of(whole)
    return digests(folder.name) == digests(whole.name) != {}


def test_a_state_that_the_disk_has_no_room_for_fails_the_job_and_can_be_saved_later(
    pretraining: MakeJob, digests: Digests
) -> None:
    folder, whole = pretraining("unsaved", checkpoints=2), pretraining("unsaved-whole", checkpoints=2)
    assert fail_on_small_disk(folder, folder, 100_000) == FAILED
    reason = only_reason(folder)
    assert "No space left on device" in reason
    assert "state.pt" in reason
    assert "make room" in reason
    assert not leftovers(folder)
    assert ends_like(folder, whole, digests)


def test_a_full_disk_keeps_the_state_that_was_saved_before(pretraining: MakeJob) -> None:
    """There is room for one state, not for the next beside it."""
    folder = pretraining("second")
    assert fail_on_small_disk(folder, folder, 1_200_000) == FAILED
    assert "No space left on device" in only_reason(folder)
    assert [path.name for path in leftovers(folder)] == ["state.pt"]
    assert end(begin(folder)) == 0, log_of(folder)
    (log,) = [event["text"] for event in events(folder, "log") if "going on after" in event["text"]]
    assert log == "going on after step 1 of 60"


def test_a_checkpoint_that_the_disk_has_no_room_for_is_published_later_and_the_earlier_are_kept(
    prepared: Path, pretraining: MakeJob, digests: Digests
) -> None:
    folder, whole = pretraining("third", checkpoints=5), pretraining("third-whole", checkpoints=5)
    checkpoints = prepared / "checkpoints"
    assert fail_on_small_disk(folder, checkpoints, 700_000) == FAILED
    assert "No space left on device" in only_reason(folder)
    assert "Make room" in only_reason(folder)
    assert 0 < len(digests("third")) < 6
    assert not leftovers(checkpoints)
    before = digests("third")
    assert ends_like(folder, whole, digests)
    assert before.items() <= digests("third").items()


def test_a_disk_that_takes_no_event_is_told_by_the_exit_status_and_the_job_goes_on_later(
    pretraining: MakeJob, digests: Digests
) -> None:
    """Nor does it take the log: there is room for the first 4 KiB of the events, and for nothing else."""
    folder, whole = (pretraining(name, save_s=10_000, checkpoints=9) for name in ("silent", "silent-whole"))
    assert fail_on_small_disk(folder, folder, 4096) == UNHEARD
    assert not events(folder, "done")
    assert ends_like(folder, whole, digests)
    steps = [event["step"] for event in events(folder, "metric")]
    assert steps[-6:] == [10, 20, 30, 40, 50, 60]
