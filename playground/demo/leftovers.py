"""Processes that an earlier start left behind, found by the mark in their environment.

Only processes that a demo of the same data directory started carry it: neither the shell that typed the
command nor another data directory's demo does. psutil checks a process's start time before it signals it, so
a process number that was given to another program meanwhile is safe.
"""

from collections.abc import Iterator
from pathlib import Path

import psutil

from config.firstrun import SUPERVISED_MARK

SWEEPS = 5


def processes_of(home: Path) -> list[psutil.Process]:
    """The living processes that a demo of `home` started, this one and its own ancestors left out."""
    own = {psutil.Process().pid, *(parent.pid for parent in psutil.Process().parents())}
    return [process for process in marked(home) if process.pid not in own]


def marked(home: Path) -> Iterator[psutil.Process]:
    for process in psutil.process_iter():
        try:
            alive = process.status() != psutil.STATUS_ZOMBIE
            if alive and process.environ().get(SUPERVISED_MARK) == str(home):
                yield process
        except (psutil.Error, OSError):
            continue


def stop_all(home: Path, patience_s: float = 8.0) -> int:
    """Stops what is left of `home`, kindly first, and says how many processes there were."""
    stopped: set[int] = set()
    for sweep in range(SWEEPS):
        processes = processes_of(home)
        if not processes:
            break
        stopped |= {process.pid for process in processes}
        for process in processes:
            signal_safely(process, kill=sweep > 0)
        psutil.wait_procs(processes, timeout=patience_s)
    return len(stopped)


def signal_safely(process: psutil.Process, *, kill: bool) -> None:
    try:
        if kill:
            process.kill()
        else:
            process.terminate()
    except psutil.NoSuchProcess:
        pass
