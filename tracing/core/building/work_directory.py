"""A directory in which work is kept over kills and errors, until it is published whole by one rename."""

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from tracing.core.building.partial import sync_directory, write_whole
from tracing.core.building.sources import Place
from tracing.core.errors import InputError, StoreError, StoreExists

JOURNAL: Final = "journal.json"


@dataclass
class Journal:
    """How far an import has come: what was asked for, where reading goes on, and the files up to there.

    `kept` are the sizes of each shard's files; `wrong` the rows left out, the first WRONG_MAX of
    `left_out` in words.
    """

    asked: dict[str, Any]
    place: Place = field(default_factory=Place)
    kept: list[list[int]] = field(default_factory=list)
    documents: int = 0
    tokens: int = 0
    left_out: int = 0
    wrong: list[str] = field(default_factory=list)
    complete: bool = False

    @classmethod
    def read(cls, path: Path) -> "Journal":
        """The journal in the file; StoreError where it cannot be read."""
        try:
            fields = json.loads(path.read_text())
            return cls(**{**fields, "place": Place(**fields["place"])})
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise StoreError(f"{path} cannot be read ({error}): begin again with --restart.") from error

    def write(self, path: Path) -> None:
        """Replace the journal in the file, on the disk."""
        write_whole(path, lambda partial: partial.write_text(json.dumps(asdict(self)) + "\n"))


class WorkDirectory:
    """`.NAME.importing` beside the target NAME, locked while it is open.

    Raises StoreExists where the target is published, StoreError where another process has the lock.
    """

    def __init__(self, target: Path, *, restart: bool = False) -> None:
        self.target, self.path = target, target.with_name(f".{target.name}.importing")
        if target.exists():
            raise StoreExists(f"{target} exists: stores are never rewritten, choose another name.")
        self._lock = -1
        with self.guard():
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(self.path, os.O_RDONLY)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self.close()
            raise StoreError(f"{target} is being imported by another process: wait for it.") from None
        if restart:
            self._empty()

    def journal(self, asked: dict[str, Any]) -> Journal:
        """The journal to go on from; InputError where something else is asked for than when it began."""
        path = self.path / JOURNAL
        if not path.exists():
            self._empty()
            return Journal(asked)
        journal = Journal.read(path)
        changed = [name for name in asked if journal.asked.get(name) != asked[name]]
        if changed:
            raise InputError(
                f"An import to {self.target} was begun with other {' and '.join(changed)}: give the same "
                "as then to go on, or --restart to begin again."
            )
        return journal

    def save(self, journal: Journal) -> None:
        journal.write(self.path / JOURNAL)

    @contextmanager
    def guard(self) -> Iterator[None]:
        """Turn what the disk refuses into StoreError."""
        try:
            yield
        except OSError as error:
            raise StoreError(
                f"Writing for {self.target} failed ({error}). What was written is kept: make room or correct "
                "the permissions, then run the same again."
            ) from error

    def publish(self) -> None:
        """Give the directory its name, synced; StoreExists if it was taken meanwhile."""
        with self.guard():
            sync_directory(self.path)
            if self.target.exists():
                raise StoreExists(f"{self.target} was published by someone else meanwhile: it was kept.")
            self.path.rename(self.target)
            (self.target / JOURNAL).unlink(missing_ok=True)  # afterwards: without it, work starts anew
            sync_directory(self.target.parent)

    def remove(self) -> None:
        """Delete what was kept."""
        shutil.rmtree(self.path, ignore_errors=True)

    def close(self) -> None:
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def __enter__(self) -> "WorkDirectory":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _empty(self) -> None:
        with self.guard():
            for path in self.path.iterdir():
                path.unlink()
