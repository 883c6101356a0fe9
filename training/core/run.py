"""The process of one job: `python -m training.core.run JOB_DIR [NODE]`.

Reads JOB_DIR/config.json, runs the stage, writes JOB_DIR/events.jsonl. It ends at once when its standard
input does: that is how it learns that its parent died. Run again after any death, it goes on from the last
saved state. SIGTERM pauses it: it saves its state, writes a `stopped` event and ends with status 0.
Where the disk takes not even a `failed` event, the status itself says so: 4.
"""

import importlib
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

from tracing.core.errors import TracingError
from training.core.errors import TrainingError, is_out_of_memory
from training.core.events import Events
from training.core.job import Job
from training.core.pause import Pause, StopAsked
from training.core.recipe_files import read_job
from training.core.threads import prepare_openmp

FAILED, MISUSED, ORPHANED, UNHEARD = 1, 2, 3, 4
# What a person can act upon, beside want of memory. A full or read-only disk is an OSError.
EXPECTED = (TrainingError, TracingError, OSError)


def main(arguments: list[str]) -> int:
    """Run the job in that directory, as this node of it where it has several; the exit status."""
    folder, node = (*arguments, "0", "0")[:2]
    if len(arguments) not in (1, 2) or not Path(folder).is_dir() or not node.isdecimal():
        print("usage: python -m training.core.run JOB_DIR [NODE]", file=sys.stderr)
        return MISUSED
    end_with_parent()
    pause = Pause()
    try:
        with Events(Path(folder)) as events:
            pause.watch()
            return run_job(Path(folder), events, pause, int(node))
    except OSError as error:  # of the events themselves: all others are told there
        say(f"{folder}: no events can be written: {message(error)}")
        return UNHEARD


def run_job(folder: Path, events: Events, pause: Pause | None = None, node: int = 0) -> int:
    """Run the job to its `done`, `stopped` or `failed` event."""
    started = time.monotonic()
    try:
        config = replace(read_job(folder), node=node)
        if config.world_size > 1 and launcher().is_divided(config):
            return int(launcher().launch(folder, config, events, pause or Pause()))
        prepare_openmp(config.threads)
        stage = importlib.import_module(f"training.core.stages.{config.stage.replace('-', '_')}")
        run_stage(stage.run, Job(folder, config, events, pause or Pause()))
        events.write("done", cpu_s=round(time.process_time(), 1), wall_s=round(time.monotonic() - started, 1))
    except StopAsked as stop:
        events.write("stopped", how=stop.how, step=stop.done)
    except Exception as error:
        return report(error, events)
    return 0


def run_stage(run: Callable[[Job], None], job: Job) -> None:
    """Run it, and keep what it has cost however it ends."""
    costs = job.costs  # which count from now on
    try:
        run(job)
    finally:
        if job.world.is_first:
            with suppress(OSError):  # a full disk has its own event
                costs.save()


def launcher() -> ModuleType:
    """What starts several processes, which import this module in turn."""
    return importlib.import_module("training.core.parallel.launcher")


def report(error: Exception, events: Events) -> int:
    """Write the failed event, or, where the disk takes not even that, say it on standard error; the exit
    status."""
    fields = failure_fields(error)
    say(fields["traceback"])
    try:
        events.write("failed", **fields)
    except OSError as unwritten:
        say(f"{events.path} cannot be written: {unwritten}")
        return UNHEARD
    return FAILED


def say(text: str) -> None:
    """On standard error, which may be a file on the disk that is full."""
    with suppress(OSError):
        print(text, file=sys.stderr)


def failure_fields(error: Exception) -> dict[str, Any]:
    """What a failed event says: one line for people, the traceback, and whether this was to be expected."""
    expected = isinstance(error, EXPECTED) or is_out_of_memory(error)
    text = "".join(traceback.format_exception(error))
    return {"error": message(error), "traceback": text, "expected": expected}


def message(error: Exception) -> str:
    """One line for people."""
    if isinstance(error, TrainingError | TracingError):
        return str(error)
    if is_out_of_memory(error):
        said = (str(error).splitlines() or ["no more can be had"])[0]
        return (
            f"out of memory ({said}): what was published is kept; lower batch_size or sequence_length, or "
            "run it on where there is more memory"
        )
    if isinstance(error, OSError):
        where = f" ({error.filename})" if error.filename else ""
        return (
            f"{error.strerror or error}{where}: what was published is kept; make room or access, then run on"
        )
    return f"{type(error).__name__}: {error}"


def end_with_parent() -> None:
    """Leave when standard input ends. Without one, there is no parent to watch."""
    if sys.stdin is not None:
        threading.Thread(target=_wait_for_end, name="parent", daemon=True).start()


def _wait_for_end() -> None:
    descriptor = sys.stdin.fileno()
    while os.read(descriptor, 4096):
        pass
    os._exit(ORPHANED)


if __name__ == "__main__":
    status = main(sys.argv[1:])
    if status == UNHEARD:
        os._exit(status)  # an exit in order would flush standard error, fail, and change the status
    sys.exit(status)
