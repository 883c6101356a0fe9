"""Memory that runs out: the job says so, keeps its state, and goes on from it where there is more."""

from collections.abc import Callable

from tests.training.core_jobs import events, log_of
from tests.training.failures.attempts import MIB, begin, end
from tests.training.failures.conftest import MakeJob
from tests.training.failures.test_kills import kill_after
from training.core.run import FAILED


def test_a_job_short_of_memory_says_so_and_goes_on_where_there_is_more(
    pretraining: MakeJob, digests: Callable[[str], dict[str, str]]
) -> None:
    settings = {"batch_size": 64, "sequence_length": 128, "tokens": 12 * 64 * 128}
    folder, whole = (pretraining(name, **settings) for name in ("short", "ample"))
    kill_after(begin(folder), folder, 10, 0.0)
    before = (folder / "state.pt").read_bytes()
    assert end(begin(folder, memory_bytes=40 * MIB)) == FAILED, log_of(folder)
    (event,) = events(folder, "failed")
    assert event["expected"]
    assert event["error"].startswith("out of memory (")
    assert "lower batch_size" in event["error"]
    assert (folder / "state.pt").read_bytes() == before
    assert end(begin(folder)) == 0, log_of(folder)
    assert end(begin(whole)) == 0, log_of(whole)
    assert digests("short") == digests("ample") != {}
