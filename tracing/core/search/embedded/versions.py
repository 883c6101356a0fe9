"""Versions of the index on disk: directories, and a pointer file that names the one that is searched."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tracing.core.errors import SearchUnavailable
from tracing.core.search.index import SCHEMA

CURRENT: Final = "current"


class Versions:
    """The index's directory: `<schema>-<number>/` for each version, `current`, and the writers' locks."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    @property
    def current(self) -> Path | None:
        """The version that is searched, None where nothing was loaded yet.

        A version that is gone by the time one looks has been replaced: the pointer is read again.
        """
        name, before = self._pointed_to(), ""
        while name != before:
            path = self.directory / name
            if name.startswith(f"{SCHEMA}-") and path.is_dir():
                return path
            name, before = self._pointed_to(), name
        return None

    def _pointed_to(self) -> str:
        try:
            return (self.directory / CURRENT).read_text().strip()
        except FileNotFoundError:
            return ""

    def all(self) -> list[Path]:
        """The versions of this schema, oldest first."""
        return sorted(path for path in self.directory.glob(f"{SCHEMA}-*") if path.is_dir())

    def under_construction(self) -> Path:
        """The version after the current one: an interrupted one, or a new directory."""
        current, known = self.current, self.all()
        if known and (current is None or known[-1].name > current.name):
            return known[-1]
        number = int(known[-1].name.split("-")[1]) if known else 0
        path = self.directory / f"{SCHEMA}-{number + 1:06d}"
        path.mkdir(parents=True)
        return path

    def current_or_first(self) -> Path:
        """The current version; where there is none an empty one is published."""
        path = self.current
        if path is None:
            path = self.under_construction()
            self.publish(path)
        return path

    def publish(self, version: Path) -> None:
        """Points to `version` in one step, and deletes all others; who still reads them keeps them open."""
        with explained(self.directory):
            self._point_to(version)
        for other in [path for path in self.directory.iterdir() if path.is_dir() and path != version]:
            shutil.rmtree(other, ignore_errors=True)

    def _point_to(self, version: Path) -> None:
        pointer = self.directory / f".{CURRENT}.new"
        with pointer.open("w") as file:
            file.write(version.name + "\n")
            file.flush()
            os.fsync(file.fileno())
        pointer.rename(self.directory / CURRENT)

    @contextmanager
    def lock(self, name: str) -> Iterator[None]:
        """Waits until no other process writes. The kernel frees a killed writer's lock."""
        with explained(self.directory):
            self.directory.mkdir(parents=True, exist_ok=True)
            file = (self.directory / f"{name}.lock").open("w")
            fcntl.flock(file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            file.close()


@contextmanager
def explained(directory: Path) -> Iterator[None]:
    """tantivy's errors, and its panics, as ours."""
    try:
        yield
    except SearchUnavailable:
        raise
    except (ValueError, OSError, RuntimeError) as error:
        raise _unavailable(directory, error) from error
    except BaseException as error:
        if type(error).__name__ == "PanicException":  # pyo3's, which no module exports
            raise _unavailable(directory, error) from error
        raise


def _unavailable(directory: Path, error: BaseException) -> SearchUnavailable:
    return SearchUnavailable(
        f"The search index in {directory} cannot be used ({str(error)[:200]}): make room if the disk is "
        "full, else build it anew with manage.py load_search --rebuild."
    )
