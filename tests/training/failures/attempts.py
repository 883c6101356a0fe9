"""Attempts at a job in processes that can be killed, or be short of disk or memory. They are forked from one
server that has loaded torch already, so that each of them begins in milliseconds."""

import ctypes
import multiprocessing
import os
import resource
import shutil
import subprocess
import sys
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path

from training.core.run import main

MIB = 1 << 20
NO_NAMESPACES = 77
"""Exit status where this system lets nobody mount a disk of his own."""


def server() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    stages = ("prepare", "pretrain", "midtrain")
    context.set_forkserver_preload(
        ["tests.training.failures.attempts", *(f"training.core.stages.{stage}" for stage in stages)]
    )
    return context


def begin(
    folder: Path, *, disk: Path | None = None, room_bytes: int = 0, memory_bytes: int | None = None
) -> ForkServerProcess:
    """An attempt at the job in `folder`: with a disk of its own at `disk` that has room for `room_bytes`
    beside what lies there; or with `memory_bytes` of memory to gain."""
    process = server().Process(target=attempt, args=(folder, disk, room_bytes, memory_bytes))
    process.start()
    return process


def end(process: ForkServerProcess) -> int:
    """The exit status, when it has ended."""
    process.join(120)
    assert process.exitcode is not None, "the attempt does not end"
    return process.exitcode


def attempt(folder: Path, disk: Path | None, room_bytes: int, memory_bytes: int | None) -> None:
    """What the forked process does: `python -m training.core.run FOLDER`, within these bounds."""
    if disk is not None:
        mount_small(disk, room_bytes)
    with (folder / "output.log").open("ab") as log:
        os.dup2(log.fileno(), 2)
    reading, _ = os.pipe()  # whose other end lives as long as this process
    sys.stdin = os.fdopen(reading)
    if memory_bytes is not None:
        bound_memory(memory_bytes)
    status = main([str(folder)])
    if disk is not None:
        shutil.copytree(disk, kept(disk), symlinks=True)
    os._exit(status)


def kept(disk: Path) -> Path:
    return disk.with_name(f"{disk.name}.kept")


def make_room(disk: Path) -> None:
    """What an attempt left on its small disk is on the large one now."""
    shutil.rmtree(disk)
    kept(disk).rename(disk)


def mount_small(disk: Path, room_bytes: int) -> None:
    """Mount a disk at `disk`, for this process alone, that holds what is there already and has so much room
    beside."""
    before = disk.with_name(f"{disk.name}.before")
    shutil.copytree(disk, before)
    page = resource.getpagesize()
    used_bytes = sum(-(-path.stat().st_size // page) * page for path in before.rglob("*") if path.is_file())
    own, group = os.getuid(), os.getgid()
    if ctypes.CDLL(None).unshare(0x10000000 | 0x00020000):  # CLONE_NEWUSER, CLONE_NEWNS
        os._exit(NO_NAMESPACES)
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"0 {own} 1")
    Path("/proc/self/gid_map").write_text(f"0 {group} 1")
    command = ["mount", "-t", "tmpfs", "-o", f"size={used_bytes + room_bytes}", "tmpfs", str(disk)]
    if subprocess.run(command, check=False).returncode:
        os._exit(NO_NAMESPACES)
    shutil.copytree(before, disk, dirs_exist_ok=True)
    shutil.rmtree(before)


def bound_memory(more_bytes: int) -> None:
    """No more address space than this process has now and `more_bytes`."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + more_bytes
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
