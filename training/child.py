"""The child process of a job: `python -m training.core.run JOB_DIR`."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import IO

from django.conf import settings

from training.core.job import WANTED
from training.core.machine import Machine, write_machine
from training.core.parallel.leases import Lease
from training.core.recipe import RlvrRecipe
from training.core.recipe_files import STAGES
from training.core.run import UNHEARD
from training.evaluations import configured_judge
from training.models import Checkpoint, Job

STOP_WAIT_S = 5.0
TAIL_BYTES = 4096


@contextmanager
def started(job: Job, lock: IO[bytes], gpus: Lease) -> Iterator[subprocess.Popen[bytes]]:
    """The running child, in a process group of its own, killed at the end if it still lives.

    Its standard input is a pipe whose other end only this process holds: the child exits when that closes,
    so that it never outlives its worker. It inherits `lock` and the lease of its GPUs, and sees no others.
    """
    write_config(job, processes_for(job, gpus.gpus))
    write_machine(job.directory, this_machine(job))
    pass_on(job, job.wanted)
    command = [sys.executable, "-m", "training.core.run", str(job.directory)]
    with (job.directory / "output.log").open("ab") as output:
        process = subprocess.Popen(
            command,
            cwd=settings.BASE_DIR,
            env=environment(gpus.gpus),
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            pass_fds=[lock.fileno(), *gpus.descriptors],
            process_group=0,
        )
    try:
        yield process
    finally:
        stop(process)


def stop(process: subprocess.Popen[bytes]) -> None:
    """Closes the child's input, waits a little for it to leave, then kills its whole group."""
    if process.stdin is not None:
        process.stdin.close()
    try:
        process.wait(STOP_WAIT_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def processes_for(job: Job, gpus: Sequence[str]) -> int:
    """One for each GPU, where the stage can be divided: preparing, reinforcement learning and adapters are
    done by one process, which may give the other GPUs to an engine."""
    alone = job.stage == "prepare" or issubclass(STAGES[job.stage], RlvrRecipe)
    return 1 if alone or job.config.get("adapter") else max(1, len(gpus))


def environment(gpus: Sequence[str]) -> dict[str, str]:
    """The child's environment: it sees the GPUs that it was given."""
    visible = {"CUDA_VISIBLE_DEVICES": ",".join(gpus)} if gpus or settings.GPUS else {}
    return {**os.environ, **visible}


def write_config(job: Job, processes: int) -> None:
    """JOB_DIR/config.json, everything that the child knows; replaced whole."""
    config = {
        "stage": job.stage,
        "name": job.flow.name,
        "home": str(settings.HOME),
        "parent": parent_path(job),
        "recipe": job.config,
        "threads": settings.TRAINING_THREADS or os.cpu_count() or 1,
        "processes": processes,
        "peak_tflops": settings.PEAK_TFLOPS,
    }
    partial = job.directory / "config.json.partial"
    partial.write_text(json.dumps(config, indent=1))
    partial.replace(job.directory / "config.json")


def this_machine(job: Job) -> Machine:
    """What the operator's settings give to a job. Its sockets are in a directory of its own beside those of
    the engines that people are served by, so that their supervisor does not take its engine for one of
    them."""
    return Machine(
        engine_python=str(settings.ENGINE_PYTHON),
        run_directory=str(settings.EMBEDDED_REDIS_SOCKET.parent / f"job-{job.pk}"),
        judge=configured_judge(),
    )


def pass_on(job: Job, wanted: str) -> None:
    """Tells the child what a person asks of it, in a file that it looks for at every step."""
    path = job.directory / WANTED
    if not wanted:
        path.unlink(missing_ok=True)
        return
    partial = job.directory / f"{WANTED}.partial"
    partial.write_text(wanted)
    partial.replace(path)


def parent_path(job: Job) -> str | None:
    """Directory of the checkpoint that the stage starts from: the chosen one, or the final one of the stage
    before, if any."""
    if job.parent is not None:
        return str(job.parent.path)
    if job.after is None:
        return None
    parent = Checkpoint.objects.filter(job=job.after, final=True).last()
    return str(parent.path) if parent else None


def death(job: Job, returncode: int) -> str:
    """What a person should know of a child that died without a word: the signal, or its last line."""
    if returncode < 0:
        name = signal.Signals(-returncode).name
        hint = " (perhaps by the system, for want of memory)" if name == "SIGKILL" else ""
        return f"The training process was killed by {name}{hint}."
    if returncode == UNHEARD:
        return (
            f"The training process could not write its events: no room in {job.directory}, or no access. "
            "What was published is kept; make room, then try again."
        )
    line = last_line(job) or "it wrote nothing"
    return f"The training process ended with status {returncode}: {line}."


def last_line(job: Job) -> str:
    path = job.directory / "output.log"
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - TAIL_BYTES))
        lines = file.read().decode(errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "")
