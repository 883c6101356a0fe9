"""Which GPUs of this node a job has: never two jobs on one.

A lease is a lock on a file for each GPU. Worker and child hold it through the same open file, so the kernel
gives it back when the last of them is gone, however they ended.
"""

import fcntl
import subprocess
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import IO, Self

NVIDIA_SMI = ("nvidia-smi", "--query-gpu=index", "--format=csv,noheader")


class Lease:
    """The GPUs that a job has got; a context manager that gives them back."""

    def __init__(self, held: dict[str, IO[bytes]]) -> None:
        self._held = held

    @property
    def gpus(self) -> tuple[str, ...]:
        """As CUDA_VISIBLE_DEVICES names them."""
        return tuple(self._held)

    @property
    def descriptors(self) -> tuple[int, ...]:
        """Open files for the child to inherit, so that what it uses stays taken as long as it lives."""
        return tuple(file.fileno() for file in self._held.values())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for file in self._held.values():
            file.close()
        self._held = {}


def lease(folder: Path, gpus: Sequence[str]) -> Lease | None:
    """A lease of all these GPUs, or None where another job has one of them. `folder` holds the locks of this
    node."""
    folder.mkdir(parents=True, exist_ok=True)
    held: dict[str, IO[bytes]] = {}
    with ExitStack() as undo:
        for gpu in gpus:
            file = undo.enter_context((folder / f"gpu-{gpu.replace('/', '-')}.lock").open("ab"))
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return None
            held[gpu] = file
        undo.pop_all()
    return Lease(held)


def found_gpus() -> list[str]:
    """The GPUs of this node, by number; none where there is no nvidia-smi that answers."""
    try:
        told = subprocess.run(NVIDIA_SMI, capture_output=True, text=True, check=True, timeout=30).stdout
    except (OSError, subprocess.SubprocessError):
        return []
    return told.split()
