"""A job of several processes: torchrun starts them, and this process, which the worker knows, speaks for
them.

It passes on that a person or a signal wants the job to pause, ends them all when it ends itself, and tells
the one reason why they failed. Nodes of one job each have a launcher, and find each other at the first one's.
"""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from training.core.errors import RecipeError
from training.core.events import Events
from training.core.job import WANTED
from training.core.parallel.rank import die_with_parent
from training.core.pause import Pause
from training.core.recipe import PrepareRecipe, RlvrRecipe, TrainRecipe
from training.core.recipe_files import JobConfig

POLL_S = 0.1
CRASHED = 4
ROOT = Path(__file__).parents[3]


def launch(folder: Path, config: JobConfig, events: Events, pause: Pause) -> int:
    """Run the job's processes on this node to their end; the exit status. Raises RecipeError for a stage that
    cannot be divided."""
    check(config)
    if config.node == 0:
        for word in folder.glob("rank-*.json"):
            word.unlink()
    with started(folder, config) as torchrun:
        status = follow(torchrun, folder, pause)
    return explained(folder, status, events) if status and config.node == 0 else status


def check(config: JobConfig) -> None:
    """Raises RecipeError where the job has to be done by one process."""
    recipe, number = config.recipe, config.world_size
    if isinstance(recipe, RlvrRecipe):
        raise RecipeError(
            f"reinforcement learning learns in one process, not {number}: give the job one GPU (its answers "
            "can come from an engine with more)"
        )
    if isinstance(recipe, TrainRecipe) and recipe.adapter is not None:
        raise RecipeError(f"an adapter is trained by one process, not {number}: give the job one GPU")
    if config.nodes > 1 and not re.fullmatch(r".+:[0-9]{1,5}", config.rendezvous):
        raise RecipeError(f"{config.nodes} nodes need a `rendezvous`, host:port of the first one")


def is_divided(config: JobConfig) -> bool:
    """Whether the job is one for several processes; preparing never is."""
    return config.world_size > 1 and not isinstance(config.recipe, PrepareRecipe)


@contextmanager
def started(folder: Path, config: JobConfig) -> Iterator[subprocess.Popen[bytes]]:
    """torchrun with the job's processes. They end when their standard input does, which we hold."""
    environ = {**os.environ, "TORCHELASTIC_ERROR_FILE": os.devnull, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        command(folder, config), cwd=ROOT, env=environ, stdin=subprocess.PIPE, preexec_fn=die_with_parent
    )
    try:
        yield process
    finally:
        assert process.stdin is not None
        process.stdin.close()
        process.wait()


def command(folder: Path, config: JobConfig) -> list[str]:
    """torchrun's command line on this node."""
    meet = ["--standalone", "--local-addr", "127.0.0.1"]
    if config.nodes > 1:
        host, _, port = config.rendezvous.rpartition(":")
        meet = ["--master-addr", host, "--master-port", port, "--node-rank", str(config.node)]
    return [
        *(sys.executable, "-m", "torch.distributed.run", *meet, "--max-restarts", "0"),
        *("--nnodes", str(config.nodes), "--nproc-per-node", str(config.processes)),
        *("-m", "training.core.parallel.rank", str(folder)),
    ]


def follow(process: subprocess.Popen[bytes], folder: Path, pause: Pause) -> int:
    """Until torchrun ends; its status. A signal to pause becomes the file that the first looks for."""
    asked = False
    try:
        with pause.held():
            while process.poll() is None:
                if pause.requested and not asked:
                    (folder / WANTED).write_text("pause")
                    asked = True
                time.sleep(POLL_S)
    finally:
        if asked:
            (folder / WANTED).unlink(missing_ok=True)
    return process.returncode


def explained(folder: Path, status: int, events: Events) -> int:
    """Tell why the processes failed: the first reason that is not another's end. Without one, some process
    was killed, and the job may go on from its last saved state."""
    words = [json.loads(path.read_text()) for path in folder.glob("rank-*.json")]
    reasons = sorted((word for word in words if not word["lost"]), key=lambda word: float(word["t"]))
    if not reasons:
        print(
            f"a process of the job was killed (torchrun ended with {status}); all of them stop",
            file=sys.stderr,
        )
        return CRASHED
    reason: dict[str, Any] = reasons[0]
    events.write("failed", **{name: reason[name] for name in ("error", "traceback", "expected")})
    return 1
