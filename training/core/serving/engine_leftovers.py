"""Ending engines for certain: a whole process group, and those that an earlier supervisor left behind."""

import os
import signal
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import psutil

LAUNCHER = Path(__file__).with_name("launch_engine.py")


def end_group(leader: int) -> None:
    """Kill a process group, living leader or not."""
    with suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)


def end_leftovers(run_directory: Path) -> int:
    """Kill the engines that an earlier supervisor of the same directory left; says how many there were.

    They are known by their command line. psutil checks a process's start time before it signals it, so a
    process number that another program has by now is safe.
    """
    leftovers = [process for process in psutil.process_iter() if is_engine_of(process, run_directory)]
    for process in leftovers:
        for child in [*children_of(process), process]:
            with suppress(psutil.NoSuchProcess):
                child.kill()
    psutil.wait_procs(leftovers, timeout=10)
    return len(leftovers)


def is_engine_of(process: psutil.Process, run_directory: Path) -> bool:
    try:
        words = process.cmdline()
    except psutil.Error:
        return False
    sockets = [Path(b) for a, b in pairwise(words) if a == "--socket"]
    return str(LAUNCHER) in words and any(socket.parent == run_directory for socket in sockets)


def children_of(process: psutil.Process) -> list[psutil.Process]:
    try:
        return list(process.children(recursive=True))
    except psutil.Error:
        return []
