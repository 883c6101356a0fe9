"""A directory that appears whole under its final name, or not at all."""

import fcntl
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tracing.core.errors import StoreError, StoreExists


class PartialDirectory:
    """A locked temporary sibling of `target`; `publish` syncs everything in it and renames it to `target`.

    What a killed writer left behind is removed by the next writer for the same target: the lock tells
    the dead from the living.
    """

    def __init__(self, target: Path) -> None:
        self.target = target
        self.path = target.with_name(f".{target.name}.{secrets.token_hex(4)}.partial")
        self._lock: int | None = None
        self._removed = False
        with self.guard("starting"):
            target.parent.mkdir(parents=True, exist_ok=True)
            starting = _lock(target.parent, wait=True)  # nobody takes the new directory for an abandoned one
            try:
                _remove_abandoned(target)
                self.path.mkdir()
                self._lock = _lock(self.path)
            finally:
                os.close(starting)

    @contextmanager
    def guard(self, doing: str) -> Iterator[None]:
        """Turn what the disk refuses into StoreError, after removing the partial directory."""
        if self._removed:
            raise StoreError(f"The writer of {self.target} was closed or failed before: start a new one.")
        try:
            yield
        except OSError as error:
            self.remove()
            raise StoreError(
                f"{doing.capitalize()} for {self.target} failed ({error}): nothing was published. "
                "Make room or correct the permissions, then run it again."
            ) from error

    def publish(self) -> None:
        """Sync the files, the directory and its parent around the rename; StoreExists if taken meanwhile."""
        for path in sorted(self.path.rglob("*")):
            sync_directory(path)
        sync_directory(self.path)
        if self.target.exists():
            self.remove()
            raise StoreExists(f"{self.target} was published by someone else meanwhile: it was kept.")
        self.path.rename(self.target)
        self._removed = True
        sync_directory(self.target.parent)
        self._unlock()

    def remove(self) -> None:
        """Delete the partial directory, if it is still there."""
        shutil.rmtree(self.path, ignore_errors=True)
        self._removed = True
        self._unlock()

    def _unlock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def _lock(directory: Path, *, wait: bool = False) -> int:
    """A held lock on `directory`; unless told to wait, OSError if another process holds it."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _remove_abandoned(target: Path) -> None:
    for path in target.parent.glob(f".{target.name}.*.partial"):
        with suppress(OSError):
            descriptor = _lock(path)
            shutil.rmtree(path, ignore_errors=True)
            os.close(descriptor)


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Have `write` fill a temporary file, and give it its name when it is on the disk."""
    partial = path.with_name(f".{path.name}.partial")
    write(partial)
    with partial.open("rb") as file:
        os.fsync(file.fileno())
    partial.rename(path)


def sync_directory(path: Path) -> None:
    """Bring a directory, or a file, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
