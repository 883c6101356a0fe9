"""One of the processes that train a job together: `python -m training.core.parallel.rank JOB_DIR`, started by
torchrun. The first of them writes the events; each leaves word of its failure for the launcher."""

import ctypes
import importlib
import json
import signal
import sys
import time
from pathlib import Path
from typing import Any

from training.core.events import Events
from training.core.job import Job
from training.core.parallel.world import join, leave
from training.core.pause import StopAsked
from training.core.recipe_files import read_job
from training.core.run import FAILED, end_with_parent, failure_fields, run_stage
from training.core.threads import prepare_openmp

PR_SET_PDEATHSIG = 1
LOST = ("Connection closed by peer", "Connection reset by peer", "NCCL", "timed out", "Broken pipe")
"""What torch says where another process of the job is gone: not the reason, but its consequence."""


class Silent(Events):
    """Events of the processes that are not the first: what they would say is the same."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "events.jsonl"

    def write(self, kind: str, **fields: Any) -> None:
        pass

    def progress(self, *args: Any, **fields: Any) -> None:
        pass

    def __enter__(self) -> "Silent":
        return self

    def __exit__(self, *error: object) -> None:
        pass


def main(folder: Path) -> int:
    """Run the job's stage as one of its processes; the exit status."""
    die_with_parent()
    end_with_parent()
    config = read_job(folder)
    prepare_openmp(max(1, config.threads // config.processes))
    world = join()
    with Events(folder) if world.is_first else Silent(folder) as events:
        try:
            work(Job(folder, config, events, world=world))
        except StopAsked as stop:
            events.write("stopped", how=stop.how, step=stop.done)
        except Exception as error:
            leave_word(folder, world.rank, error)
            return FAILED
    leave()
    return 0


def work(job: Job) -> None:
    started = time.monotonic()
    stage = importlib.import_module(f"training.core.stages.{job.config.stage.replace('-', '_')}")
    run_stage(stage.run, job)
    spent = job.world.sum({"cpu_s": time.process_time()})
    wall_s = round(time.monotonic() - started, 1)
    job.events.write("done", cpu_s=round(spent["cpu_s"], 1), wall_s=wall_s)


def leave_word(folder: Path, rank: int, error: Exception) -> None:
    """JOB_DIR/rank-N.json: why this process ends, and whether that is only since another did."""
    fields = failure_fields(error)
    print(fields["traceback"], file=sys.stderr, flush=True)
    lost = isinstance(error, RuntimeError) and any(word in str(error) for word in LOST)
    word = {"t": time.time(), "rank": rank, "lost": lost, **fields}
    (folder / f"rank-{rank}.json").write_text(json.dumps(word))


def die_with_parent() -> None:
    """Let the kernel kill this process when the one that started it dies, however that is."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
